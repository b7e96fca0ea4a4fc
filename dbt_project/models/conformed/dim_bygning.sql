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
    adresser.vejkode,
    split_part(nullif(adresser.postnummer_noegle, {{ unknown_key() }}), ':', 2) as postnummer,
    coalesce(adresser.postnummer_noegle, {{ unknown_key() }}) as postnummer_noegle,
    coalesce(adresser.sogn_noegle, {{ unknown_key() }}) as sogn_noegle,
    coalesce(adresser.skoledistrikt, {{ unknown_key() }}) as skoledistrikt
from {{ ref('stg_datafordeler__bygninger') }} as bygninger
left join {{ ref('dim_adresse') }} as adresser on bygninger.husnummer_id::varchar = adresser.husnummer_id
left join {{ ref('bygningsanvendelser') }} as anvendelser on bygninger.anvendelse = anvendelser.anvendelseskode
where bygninger.registrering_til is null and bygninger.virkning_til is null and bygninger.kommunekode = {{ own_municipality() }}
qualify row_number() over (partition by bygninger.bygning_id order by bygninger.registrering_fra desc) = 1
