select
    vagter.vagt_id,
    vagter.dato,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    coalesce(medarbejder.medarbejder_noegle, {{ unknown_key() }}) as medarbejder_noegle,
    vagter.vagttype,
    vagter.timer,
    vagter.pris
from {{ ref('stg_vagtplan__vagter') }} as vagter
left join {{ ref('dim_organisation') }} as organisation on vagter.enhed_id = organisation.enhed_id
{{ join_as_of('dim_medarbejder', 'medarbejder', 'medarbejdernummer', 'vagter.medarbejdernummer', 'vagter.dato') }}
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "vagter.dato") }}
