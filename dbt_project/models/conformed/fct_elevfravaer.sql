select
    fravaer.fravaer_id,
    fravaer.barn_person_id as person_id,
    fravaer.dato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(institutioner.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    fravaer.fravaersart,
    fravaer.minutter
from {{ ref('stg_kmd_elev__fravaer') }} as fravaer
{{ join_as_of('dim_borger', 'borger', 'person_id', 'fravaer.barn_person_id', 'fravaer.dato') }}
left join {{ ref('dim_institution') }} as institutioner on fravaer.institutionsnummer = institutioner.institutionsnummer
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institutioner.institutionsnummer', 'fravaer.dato') }}
