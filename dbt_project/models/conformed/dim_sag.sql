-- A case number tells its own subject in the newer of its two generations; the system's own field fills in for the older.
with

sager as (
    select
        'dubu' as system_id,
        sag_id::varchar as sag_id,
        sagsnummer,
        kle_emne,
        null as handlingsfacet,
        'Børne- og ungesag' as sagstype
    from {{ ref('stg_dubu__sager') }}
    union all
    select
        'geoenviron' as system_id,
        byggesag_id::varchar as sag_id,
        sagsnummer,
        kle_emne,
        null as handlingsfacet,
        'Byggesag' as sagstype
    from {{ ref('stg_geoenviron__byggesager') }}
    union all
    select
        'esdh' as system_id,
        sag_id::varchar as sag_id,
        sagsnummer,
        kle_emne,
        handlingsfacet,
        'ESDH-sag' as sagstype
    from {{ ref('stg_esdh__sager') }}
),

dele as (
    select
        *,
        regexp_extract(
            coalesce(sagsnummer, ''),
            '^(\d{2}\.\d{2}\.\d{2})-([A-ZÆØÅ]\d{2})-(\d{2}|\d{4})-(\d+)$',
            ['emne', 'facet', 'aar', 'loebenummer']
        ) as ny,
        regexp_extract(coalesce(sagsnummer, ''), '^\d{3}-(\d{4})-(\d+)$', ['aar', 'loebenummer']) as gammel
    from sager
)

select
    system_id || ':' || sag_id as sag_noegle,
    system_id,
    sag_id,
    sagsnummer,
    case
        when ny['emne'] <> '' then 'KLE'
        when gammel['aar'] <> '' then 'ældre'
        else 'ukendt'
    end as nummerform,
    coalesce(nullif(ny['emne'], ''), left(kle_emne, 8), {{ unknown_key() }}) as kle_emne,
    coalesce(nullif(ny['facet'], ''), handlingsfacet) as handlingsfacet,
    (case
        when length(ny['aar']) = 2 then '20' || ny['aar']
        else coalesce(nullif(ny['aar'], ''), nullif(gammel['aar'], ''))
    end)::integer as journalaar,
    sagstype
from dele
union all
select
    {{ unknown_key() }} as sag_noegle,
    {{ unknown_key() }} as system_id,
    {{ unknown_key() }} as sag_id,
    null as sagsnummer,
    'ukendt' as nummerform,
    {{ unknown_key() }} as kle_emne,
    null as handlingsfacet,
    null as journalaar,
    'Ukendt' as sagstype
