-- Cases of all departments, as far as they have come; what the number says stands in dim_sag.
with

-- The first citizen that a case is about; a case about companies has none.
foerste_part as (
    select
        sag_id,
        arg_min(person_id, part_id) as person_id
    from {{ ref('stg_esdh__parter') }}
    where person_id is not null
    group by sag_id
),

sager as (
    select
        'dubu' as system_id,
        dubu.sag_id::varchar as sag_id,
        dubu.sagsnummer,
        'Børne- og ungesag' as sagstype,
        dubu.person_id,
        dubu.enhed_id,
        dubu.oprettet_dato as aabnet_dato,
        dubu.lukket_dato,
        case dubu.status when 'Aaben' then 'Åben' when 'Lukket' then 'Lukket' end as status
    from {{ ref('stg_dubu__sager') }} as dubu
    union all
    select
        'geoenviron' as system_id,
        bygge.byggesag_id::varchar as sag_id,
        bygge.sagsnummer,
        'Byggesag' as sagstype,
        null as person_id,
        null as enhed_id,
        bygge.modtaget_dato as aabnet_dato,
        bygge.afgjort_dato as lukket_dato,
        case when bygge.afgjort_dato is not null or bygge.status <> 'OPEN' then 'Lukket' else 'Åben' end as status
    from {{ ref('stg_geoenviron__byggesager') }} as bygge
    union all
    select
        'esdh' as system_id,
        esdh.sag_id::varchar as sag_id,
        esdh.sagsnummer,
        'ESDH-sag' as sagstype,
        parter.person_id,
        esdh.enhed_id,
        esdh.oprettet_dato as aabnet_dato,
        esdh.afsluttet_dato as lukket_dato,
        case when esdh.afsluttet_dato is null then 'Åben' else 'Lukket' end as status
    from {{ ref('stg_esdh__sager') }} as esdh
    left join foerste_part as parter on esdh.sag_id = parter.sag_id
)

select
    sager.system_id,
    sager.sag_id,
    coalesce(dim.sag_noegle, {{ unknown_key() }}) as sag_noegle,
    sager.sagsnummer,
    coalesce(dim.kle_emne, {{ unknown_key() }}) as kle_emne,
    -- A subject that has been retired since is read in the edition that held when the case was opened.
    coalesce(emne.kle_noegle, {{ unknown_key() }}) as kle_noegle,
    sager.sagstype,
    sager.person_id,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    sager.aabnet_dato,
    sager.lukket_dato,
    sager.status,
    sager.lukket_dato - sager.aabnet_dato as sagsbehandlingsdage
from sager
left join {{ ref('dim_sag') }} as dim on sager.system_id = dim.system_id and sager.sag_id = dim.sag_id
{{ join_as_of('dim_borger', 'borger', 'person_id', 'sager.person_id', 'sager.aabnet_dato') }}
left join {{ ref('dim_organisation') }} as organisation on sager.enhed_id = organisation.enhed_id
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "sager.aabnet_dato") }}
{{ join_as_of('dim_kle_historik', 'emne', 'kle_emne', 'dim.kle_emne', 'sager.aabnet_dato') }}
