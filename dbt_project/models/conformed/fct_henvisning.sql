select
    henvisninger.henvisning_id,
    henvisninger.modtaget_dato,
    henvisninger.afsluttet_dato,
    henvisninger.barn_person_id as person_id,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(institution.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    henvisninger.aarsag,
    henvisninger.udfald,
    henvisninger.timer
from {{ ref('stg_kmd_insight__henvisninger') }} as henvisninger
{{ join_as_of('dim_borger', 'borger', 'person_id', 'henvisninger.barn_person_id', 'henvisninger.modtaget_dato') }}
left join {{ ref('dim_institution') }} as institution on henvisninger.institutionsnummer = institution.institutionsnummer
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institution.institutionsnummer', 'henvisninger.modtaget_dato') }}
