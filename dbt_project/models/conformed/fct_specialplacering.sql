select
    placeringer.placeringsnummer,
    placeringer.barn_person_id as person_id,
    placeringer.startdato,
    coalesce(placeringer.slutdato, date '9999-12-31') as slutdato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(institutioner.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    coalesce(kommuner.kommunekode, {{ unknown_key() }}) as betalingskommune,
    coalesce(handlende.kommunekode, {{ unknown_key() }}) as handlekommune,
    placeringer.tilbud,
    placeringer.takstgruppe,
    placeringer.aarlig_takst
from {{ ref('stg_specialtilbud__placeringer') }} as placeringer
{{ join_as_of('dim_borger', 'borger', 'person_id', 'placeringer.barn_person_id', 'placeringer.startdato') }}
left join {{ ref('dim_institution') }} as institutioner on placeringer.institutionsnummer = institutioner.institutionsnummer
left join {{ ref('dim_kommune') }} as kommuner on placeringer.betalingskommune = kommuner.kommunekode
left join {{ ref('dim_kommune') }} as handlende on placeringer.handlekommune = handlende.kommunekode
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institutioner.institutionsnummer', 'placeringer.startdato') }}
