with

kataloger as (
    select
        'ydelsesrefusion' as system_id,
        ydelse,
        null as paragraf,
        'Kontant ydelse' as ydelsestype,
        ydelsesgruppe,
        funktion
    from {{ ref('ydelser') }}
    where til_borger
    union all
    select distinct
        'nexus' as system_id,
        indsats_navn as ydelse,
        paragraf,
        'Omsorg' as ydelsestype,
        paragraf as ydelsesgruppe,
        null as funktion
    from {{ ref('stg_nexus__indsatser') }}
    where indsats_navn is not null
    union all
    select distinct
        'dubu' as system_id,
        foranstaltning as ydelse,
        paragraf,
        'Foranstaltning for børn og unge' as ydelsestype,
        paragraf as ydelsesgruppe,
        null as funktion
    from {{ ref('stg_dubu__ydelser') }}
    where foranstaltning is not null
    union all
    select distinct
        'momentum' as system_id,
        tilbudstype as ydelse,
        null as paragraf,
        'Beskæftigelsestilbud' as ydelsestype,
        tilbudstype as ydelsesgruppe,
        null as funktion
    from {{ ref('stg_momentum__tilbud') }}
    where tilbudstype is not null
)

select
    {{ service_key('system_id', 'ydelse', 'paragraf') }} as ydelse_noegle,
    system_id,
    ydelse,
    ydelsestype,
    coalesce(ydelsesgruppe, ydelse) as ydelsesgruppe,
    -- Which law a paragraph is of, the systems do not say: DUBU grants by barnets lov, Nexus by serviceloven but for home nursing.
    case
        when system_id = 'dubu' and paragraf is not null then 'Barnets lov'
        when system_id = 'nexus' and paragraf = '§ 138' then 'Sundhedsloven'
        when system_id = 'nexus' and paragraf is not null then 'Serviceloven'
    end as lov,
    paragraf,
    funktion
from kataloger
union all
select
    {{ unknown_key() }} as ydelse_noegle,
    null as system_id,
    'Ukendt' as ydelse,
    null as ydelsestype,
    'Ukendt' as ydelsesgruppe,
    null as lov,
    null as paragraf,
    null as funktion
