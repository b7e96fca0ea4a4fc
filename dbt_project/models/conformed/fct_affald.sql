-- What is weighed: loads over the weighbridge, and containers emptied at the customer.
with

vejet as (
    select
        'scanxnet:' || vejninger.vejeseddelnummer as vejning_id,
        'scanxnet' as system_id,
        vejninger.tidspunkt::date as dato,
        kunder.p_nummer,
        coalesce(varer.fraktion, 'Ukendt') as fraktion,
        vejninger.netto_kg::decimal(18, 4) as vaegt_kg,
        vejninger.pris
    from {{ ref('stg_scanxnet__vejninger') }} as vejninger
    left join {{ ref('stg_scanxnet__kunder') }} as kunder on vejninger.kundenummer = kunder.kundenummer
    left join {{ ref('stg_scanxnet__varer') }} as varer on vejninger.varenummer = varer.varenummer
    union all
    select
        'marius_pedersen:' || toemninger.toemning_id as vejning_id,
        'marius_pedersen' as system_id,
        toemninger.dato,
        toemninger.p_nummer,
        coalesce(toemninger.fraktion, 'Ukendt') as fraktion,
        toemninger.vaegt_kg,
        null as pris
    from {{ ref('stg_marius_pedersen__toemninger') }} as toemninger
)

select
    vejet.vejning_id,
    vejet.system_id,
    vejet.dato,
    coalesce(institution.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    coalesce(fraktioner.affaldsfraktion, 'Ukendt') as fraktion,
    vejet.vaegt_kg,
    vejet.pris
from vejet
left join {{ ref('affaldsfraktioner') }} as fraktioner on vejet.fraktion = fraktioner.kildekode
{{ join_by_number('P-nummer', 'vejet.p_nummer', 'vejet.dato') }}
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "vejet.dato") }}
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institution.institutionsnummer', 'vejet.dato') }}
