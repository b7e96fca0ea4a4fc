select
    underretninger.underretning_id,
    underretninger.person_id,
    underretninger.modtaget_dato,
    underretninger.vurderet_dato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(sager.sag_noegle, {{ unknown_key() }}) as sag_noegle,
    underretninger.underretter,
    underretninger.vurderet_dato - underretninger.modtaget_dato as vurderingsdage
from {{ ref('stg_dubu__underretninger') }} as underretninger
{{ join_as_of('dim_borger', 'borger', 'person_id', 'underretninger.person_id', 'underretninger.modtaget_dato') }}
left join {{ ref('dim_sag') }} as sager on 'dubu:' || underretninger.sag_id = sager.sag_noegle
