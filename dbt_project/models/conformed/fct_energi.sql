select
    forbrug.installationsnummer || ':' || forbrug.maaned as maalerforbrug_id,
    forbrug.installationsnummer,
    date_trunc('month', forbrug.maaned)::date as maaned,
    coalesce(institution.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    maalere.medie,
    maalere.maaleenhed,
    forbrug.forbrug
from {{ ref('stg_energykey__maanedsforbrug') }} as forbrug
left join {{ ref('stg_energykey__maalere') }} as maalere on forbrug.installationsnummer = maalere.installationsnummer
left join {{ ref('dim_institution') }} as institution on maalere.p_nummer = institution.p_nummer
left join {{ ref('dim_organisation') }} as organisation on maalere.p_nummer = organisation.p_nummer
