select
    haendelser.haendelse_id,
    coalesce(sag.sag_noegle, {{ unknown_key() }}) as sag_noegle,
    haendelser.dato,
    haendelser.haendelse,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    haendelser.dokumentnummer
from {{ ref('stg_esdh_visning__haendelser') }} as haendelser
left join {{ ref('dim_sag') }} as sag on haendelser.sagsnummer = sag.sagsnummer and sag.system_id = 'esdh'
left join {{ ref('dim_organisation') }} as organisation on haendelser.enhed_id = organisation.enhed_id
qualify row_number() over (partition by haendelser.haendelse_id order by sag.sag_noegle) = 1
