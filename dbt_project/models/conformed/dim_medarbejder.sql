select
    {{ version_key('versioner.medarbejdernummer', 'versioner.gyldig_fra') }} as medarbejder_noegle,
    versioner.medarbejdernummer,
    versioner.person_id,
    versioner.gyldig_fra,
    versioner.gyldig_til,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    versioner.stilling,
    versioner.stillingskode,
    versioner.loentrin,
    versioner.ugetimer,
    round(versioner.ugetimer / nullif(versioner.fuldtid_timer, 0), 4)::decimal(9, 4) as beskaeftigelsesgrad,
    versioner.ansat_fra
from {{ ref('int_ansaettelse__versioner') }} as versioner
left join {{ ref('dim_organisation') }} as organisation on versioner.enhed_id = organisation.enhed_id
union all
select
    {{ unknown_key() }} as medarbejder_noegle,
    {{ unknown_key() }} as medarbejdernummer,
    null as person_id,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til,
    {{ unknown_key() }} as enhed_id,
    null as stilling,
    null as stillingskode,
    null as loentrin,
    null as ugetimer,
    null as beskaeftigelsesgrad,
    null as ansat_fra
