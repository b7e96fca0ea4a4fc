select
    haendelser.haendelse_id,
    coalesce(sag.sag_noegle, {{ unknown_key() }}) as sag_noegle,
    haendelser.dato,
    haendelser.haendelse,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    haendelser.dokumentnummer
from {{ ref('stg_esdh_visning__haendelser') }} as haendelser
left join {{ ref('dim_sag') }} as sag on haendelser.sagsnummer = sag.sagsnummer and sag.system_id = 'esdh'
left join {{ ref('dim_organisation') }} as organisation on haendelser.enhed_id = organisation.enhed_id
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "haendelser.dato") }}
qualify row_number() over (partition by haendelser.haendelse_id order by sag.sag_noegle) = 1
