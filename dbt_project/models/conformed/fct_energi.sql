select
    forbrug.installationsnummer || ':' || forbrug.maaned as maalerforbrug_id,
    forbrug.installationsnummer,
    date_trunc('month', forbrug.maaned)::date as maaned,
    coalesce(institution.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    maalere.medie,
    maalere.maaleenhed,
    forbrug.forbrug
from {{ ref('stg_energykey__maanedsforbrug') }} as forbrug
left join {{ ref('stg_energykey__maalere') }} as maalere on forbrug.installationsnummer = maalere.installationsnummer
left join {{ ref('int_institution__efter_nummer') }} as institution
    on
        institution.nummersystem = 'P-nummer'
        and maalere.p_nummer = institution.nummer
        and forbrug.maaned between institution.gyldig_fra and institution.gyldig_til
left join {{ ref('int_enhed__efter_nummer') }} as organisation
    on organisation.nummersystem = 'P-nummer' and maalere.p_nummer = organisation.nummer
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "forbrug.maaned") }}
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institution.institutionsnummer', 'forbrug.maaned') }}
