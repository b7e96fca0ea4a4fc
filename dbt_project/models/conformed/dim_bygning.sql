-- Buildings as BBR has them now: the registration that is not closed, of a building in the municipality.
select
    bygninger.bygning_id::varchar as bygning_id,
    bygninger.husnummer_id::varchar as husnummer_id,
    bygninger.anvendelse as anvendelseskode,
    coalesce(anvendelser.anvendelse, 'Anden anvendelse') as anvendelse,
    coalesce(anvendelser.gruppe, 'andet') as anvendelsesgruppe,
    bygninger.opfoert_aar,
    bygninger.samlet_areal,
    bygninger.boligareal,
    husnumre.vejkode,
    husnumre.postnummer,
    coalesce(distrikter.skoledistrikt, {{ unknown_key() }}) as skoledistrikt
from {{ ref('stg_datafordeler__bygninger') }} as bygninger
left join {{ ref('stg_datafordeler__husnumre') }} as husnumre on bygninger.husnummer_id = husnumre.husnummer_id
left join {{ ref('bygningsanvendelser') }} as anvendelser on bygninger.anvendelse = anvendelser.anvendelseskode
left join {{ ref('skoledistrikter') }} as distrikter on husnumre.vejkode = distrikter.vejkode
where bygninger.registrering_til is null and bygninger.virkning_til is null and bygninger.kommunekode = '0306'
qualify row_number() over (partition by bygninger.bygning_id order by bygninger.registrering_fra desc) = 1
