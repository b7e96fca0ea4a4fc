-- Keys are made from Momentum's own tables: through a dimension that several systems share, it would seem to draw on their persons too.
select
    tilbud.tilbud_id,
    borgere.person_id,
    tilbud.startdato,
    coalesce(tilbud.slutdato, date '9999-12-31') as slutdato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce({{ service_key("'momentum'", 'tilbud.tilbudstype', 'null') }}, {{ unknown_key() }}) as ydelse_noegle,
    coalesce(tilbud.virksomhed_cvr, {{ unknown_key() }}) as virksomhed_cvr,
    coalesce(tilbud.p_nummer, {{ unknown_key() }}) as p_nummer
from {{ ref('stg_momentum__tilbud') }} as tilbud
left join {{ ref('stg_momentum__borgere') }} as borgere on tilbud.borger_id = borgere.borger_id
{{ join_as_of('dim_borger', 'borger', 'person_id', 'borgere.person_id', 'tilbud.startdato') }}
