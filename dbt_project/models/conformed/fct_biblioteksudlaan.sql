-- Who borrowed what is nobody's business: patrons are counted, and left behind here.
select
    udlaan.filialnummer || ':' || udlaan.maaned || ':' || udlaan.materialetype as udlaan_id,
    date_trunc('month', udlaan.maaned)::date as maaned,
    udlaan.filialnummer,
    coalesce(min(filialer.filial), 'Ukendt') as filial,
    coalesce(min(organisation.enhed_id), {{ unknown_key() }}) as enhed_id,
    coalesce(min(enhed.enhed_noegle), {{ unknown_key() }}) as enhed_noegle,
    udlaan.materialetype,
    count(distinct udlaan.laanernummer) as laanere,
    sum(udlaan.udlaan)::bigint as udlaan,
    sum(udlaan.fornyelser)::bigint as fornyelser
from {{ ref('stg_fbs__udlaan') }} as udlaan
left join {{ ref('stg_fbs__filialer') }} as filialer on udlaan.filialnummer = filialer.filialnummer
left join {{ ref('dim_organisation') }} as organisation on filialer.enhed_id = organisation.enhed_id
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "date_trunc('month', udlaan.maaned)") }}
group by udlaan.filialnummer, udlaan.maaned, udlaan.materialetype
