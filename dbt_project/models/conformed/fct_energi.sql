-- A month's consumption is whose the meter's number was last in the month: who opens or closes in the middle of it is not there on its first
-- or its last day.
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
        and last_day(forbrug.maaned) >= institution.gyldig_fra
        and date_trunc('month', forbrug.maaned) <= institution.gyldig_til
left join {{ ref('int_enhed__efter_nummer') }} as organisation
    on organisation.nummersystem = 'P-nummer' and maalere.p_nummer = organisation.nummer
left join {{ ref('int_enhed__paa_dagen') }} as enhed
    on
        organisation.enhed_id = enhed.enhed_id
        and last_day(forbrug.maaned) >= enhed.gyldig_fra
        and date_trunc('month', forbrug.maaned) <= enhed.gyldig_til
left join {{ ref('dim_institution_historik') }} as institutionen
    on
        institution.institutionsnummer = institutionen.institutionsnummer
        and last_day(forbrug.maaned) >= institutionen.gyldig_fra
        and date_trunc('month', forbrug.maaned) <= institutionen.gyldig_til
qualify
    row_number() over (
        partition by forbrug.installationsnummer, forbrug.maaned
        order by institution.gyldig_fra desc nulls last, institutionen.gyldig_fra desc nulls last, enhed.gyldig_fra desc nulls last
    ) = 1
