-- One row a version, by the pupil system's own validity. One that is not closed ends where the next begins.
select
    {{ version_key('institutioner.institutionsnummer', 'institutioner.gyldig_fra') }} as institution_noegle,
    institutioner.institutionsnummer,
    institutioner.gyldig_fra,
    {{ ended_by_next('institutioner.gyldig_til', 'institutioner.gyldig_fra', 'institutioner.institutionsnummer') }} as gyldig_til,
    institutioner.institution,
    institutioner.institutionstype,
    coalesce(institutioner.skoledistrikt, {{ unknown_key() }}) as skoledistrikt,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    {{ unpadded('institutioner.omkostningssted') }} as omkostningssted,
    institutioner.ean_nummer,
    institutioner.p_nummer,
    institutioner.pladser
from {{ ref('stg_kmd_elev__institutioner') }} as institutioner
left join {{ ref('dim_organisation') }} as organisation on institutioner.enhed_id = organisation.enhed_id
union all
select
    {{ unknown_key() }} as institution_noegle,
    {{ unknown_key() }} as institutionsnummer,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til,
    'Ukendt' as institution,
    null as institutionstype,
    {{ unknown_key() }} as skoledistrikt,
    {{ unknown_key() }} as enhed_id,
    null as omkostningssted,
    null as ean_nummer,
    null as p_nummer,
    null as pladser
