select
    indskrivninger.indskrivning_id,
    indskrivninger.barn_person_id as person_id,
    indskrivninger.skoleaar,
    indskrivninger.startdato,
    indskrivninger.slutdato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(institutioner.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    indskrivninger.klasse_stue
from {{ ref('stg_kmd_elev__indskrivninger') }} as indskrivninger
{{ join_as_of('dim_borger', 'borger', 'person_id', 'indskrivninger.barn_person_id', 'indskrivninger.startdato') }}
left join {{ ref('dim_institution') }} as institutioner on indskrivninger.institutionsnummer = institutioner.institutionsnummer
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institutioner.institutionsnummer', 'indskrivninger.startdato') }}
