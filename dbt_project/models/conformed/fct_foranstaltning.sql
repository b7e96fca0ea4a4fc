-- Keys are made from DUBU's own tables: through a dimension that several systems share, it would seem to draw on their persons too.
select
    foranstaltninger.ydelse_id as foranstaltning_id,
    foranstaltninger.person_id,
    foranstaltninger.startdato,
    coalesce(foranstaltninger.slutdato, date '9999-12-31') as slutdato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce('dubu:' || sager.sag_id, {{ unknown_key() }}) as sag_noegle,
    coalesce({{ service_key("'dubu'", 'foranstaltninger.foranstaltning', 'foranstaltninger.paragraf') }}, {{ unknown_key() }}) as ydelse_noegle,
    coalesce(foranstaltninger.leverandoer_cvr, {{ unknown_key() }}) as leverandoer_cvr,
    foranstaltninger.pris_pr_dag
from {{ ref('stg_dubu__ydelser') }} as foranstaltninger
{{ join_as_of('dim_borger', 'borger', 'person_id', 'foranstaltninger.person_id', 'foranstaltninger.startdato') }}
left join {{ ref('stg_dubu__sager') }} as sager on foranstaltninger.sag_id = sager.sag_id
