select
    besoeg.besoeg_id,
    besoeg.dato,
    boern.barn_person_id as person_id,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(medarbejder.medarbejder_noegle, {{ unknown_key() }}) as medarbejder_noegle,
    besoeg.besoegstype,
    besoeg.gennemfoert,
    besoeg.minutter
from {{ ref('stg_novax__besoeg') }} as besoeg
left join {{ ref('stg_novax__boern') }} as boern on besoeg.barn_id = boern.barn_id
{{ join_as_of('dim_borger', 'borger', 'person_id', 'boern.barn_person_id', 'besoeg.dato') }}
{{ join_as_of('dim_medarbejder', 'medarbejder', 'medarbejdernummer', 'besoeg.medarbejdernummer', 'besoeg.dato') }}
