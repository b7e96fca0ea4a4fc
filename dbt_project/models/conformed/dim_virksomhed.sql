-- No register of companies is connected: a company is its CVR number, with a name where a source that deals with it gives one.
with

naevnt as (
    select
        {{ own_cvr() }} as cvr_nummer,
        'Odsherred Kommune' as virksomhed,
        'kommunen' as rolle
    union all
    select
        leverandoer_cvr as cvr_nummer,
        leverandoer_navn as virksomhed,
        'it' as rolle
    from {{ ref('stg_os2kitos__it_systemer') }}
    union all
    select
        leverandoer_cvr as cvr_nummer,
        null as virksomhed,
        'foranstaltning' as rolle
    from {{ ref('stg_dubu__ydelser') }}
    union all
    select
        virksomhed_cvr as cvr_nummer,
        null as virksomhed,
        'tilbud' as rolle
    from {{ ref('stg_momentum__tilbud') }}
    union all
    select
        cvr_nummer,
        leverandoer as virksomhed,
        'vare' as rolle
    from {{ ref('stg_truelink__indkoebslinjer') }}
    union all
    select
        cvr_nummer,
        leverandoer as virksomhed,
        'vare' as rolle
    from {{ ref('stg_oioubl__fakturaer') }}
    union all
    select
        cvr_nummer,
        leverandoer as virksomhed,
        'vare' as rolle
    from {{ ref('stg_oioubl__kreditnotaer') }}
)

select
    cvr_nummer,
    min(virksomhed) as virksomhed,
    bool_or(rolle = 'it') as leverer_it,
    bool_or(rolle = 'foranstaltning') as leverer_foranstaltninger,
    bool_or(rolle = 'tilbud') as tager_ledige_i_tilbud,
    bool_or(rolle = 'vare') as leverer_varer,
    bool_or(rolle = 'kommunen') as er_kommunen
from naevnt
where cvr_nummer is not null
group by cvr_nummer
union all
select
    {{ unknown_key() }} as cvr_nummer,
    'Ukendt' as virksomhed,
    false as leverer_it,
    false as leverer_foranstaltninger,
    false as tager_ledige_i_tilbud,
    false as leverer_varer,
    false as er_kommunen
