select
    indsatser.indsats_id,
    indsatser.gyldig_fra,
    coalesce(indsatser.gyldig_til, date '9999-12-31') as gyldig_til,
    borgere.person_id,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    indsatser.indsats_navn,
    indsatser.paragraf,
    indsatser.visiterede_minutter_pr_uge
from {{ ref('stg_nexus__indsatser') }} as indsatser
left join {{ ref('stg_nexus__borgere') }} as borgere on indsatser.borger_id = borgere.borger_id
{{ join_as_of('dim_borger', 'borger', 'person_id', 'borgere.person_id', 'indsatser.gyldig_fra') }}
left join {{ ref('dim_organisation') }} as organisation on indsatser.enhed_id = organisation.enhed_id
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "indsatser.gyldig_fra") }}
