select
    besoeg.besoeg_id,
    besoeg.dato,
    besoeg.indsats_id,
    borgere.person_id,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    coalesce(medarbejder.medarbejder_noegle, {{ unknown_key() }}) as medarbejder_noegle,
    besoeg.status,
    besoeg.planlagte_minutter,
    besoeg.leverede_minutter
from {{ ref('stg_nexus__besoeg') }} as besoeg
left join {{ ref('stg_nexus__borgere') }} as borgere on besoeg.borger_id = borgere.borger_id
{{ join_as_of('dim_borger', 'borger', 'person_id', 'borgere.person_id', 'besoeg.dato') }}
left join {{ ref('dim_organisation') }} as organisation on besoeg.enhed_id = organisation.enhed_id
{{ join_as_of('dim_medarbejder', 'medarbejder', 'medarbejdernummer', 'besoeg.medarbejdernummer', 'besoeg.dato') }}
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "besoeg.dato") }}
