select
    tilbud.tilbud_id,
    borgere.person_id,
    tilbud.startdato,
    coalesce(tilbud.slutdato, date '9999-12-31') as slutdato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(ydelser.ydelse_noegle, {{ unknown_key() }}) as ydelse_noegle,
    coalesce(virksomheder.cvr_nummer, {{ unknown_key() }}) as virksomhed_cvr
from {{ ref('stg_momentum__tilbud') }} as tilbud
left join {{ ref('stg_momentum__borgere') }} as borgere on tilbud.borger_id = borgere.borger_id
{{ join_as_of('dim_borger', 'borger', 'person_id', 'borgere.person_id', 'tilbud.startdato') }}
left join {{ ref('dim_ydelse') }} as ydelser on {{ service_key("'momentum'", 'tilbud.tilbudstype', 'null') }} = ydelser.ydelse_noegle
left join {{ ref('dim_virksomhed') }} as virksomheder on tilbud.virksomhed_cvr = virksomheder.cvr_nummer
