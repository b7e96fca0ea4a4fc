-- Keys are made from DUBU's own tables: through a dimension that several systems share, it would seem to draw on their persons too.
select
    underretninger.underretning_id,
    underretninger.person_id,
    underretninger.modtaget_dato,
    underretninger.vurderet_dato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce('dubu:' || sager.sag_id, {{ unknown_key() }}) as sag_noegle,
    underretninger.underretter,
    underretninger.vurderet_dato - underretninger.modtaget_dato as vurderingsdage
from {{ ref('stg_dubu__underretninger') }} as underretninger
{{ join_as_of('dim_borger', 'borger', 'person_id', 'underretninger.person_id', 'underretninger.modtaget_dato') }}
left join {{ ref('stg_dubu__sager') }} as sager on underretninger.sag_id = sager.sag_id
