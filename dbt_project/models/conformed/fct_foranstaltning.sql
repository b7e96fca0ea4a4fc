select
    foranstaltninger.ydelse_id as foranstaltning_id,
    foranstaltninger.person_id,
    foranstaltninger.startdato,
    coalesce(foranstaltninger.slutdato, date '9999-12-31') as slutdato,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(sager.sag_noegle, {{ unknown_key() }}) as sag_noegle,
    coalesce(ydelser.ydelse_noegle, {{ unknown_key() }}) as ydelse_noegle,
    coalesce(virksomheder.cvr_nummer, {{ unknown_key() }}) as leverandoer_cvr,
    foranstaltninger.pris_pr_dag
from {{ ref('stg_dubu__ydelser') }} as foranstaltninger
{{ join_as_of('dim_borger', 'borger', 'person_id', 'foranstaltninger.person_id', 'foranstaltninger.startdato') }}
left join {{ ref('dim_sag') }} as sager on 'dubu:' || foranstaltninger.sag_id = sager.sag_noegle
left join {{ ref('dim_ydelse') }} as ydelser
    on {{ service_key("'dubu'", 'foranstaltninger.foranstaltning', 'foranstaltninger.paragraf') }} = ydelser.ydelse_noegle
left join {{ ref('dim_virksomhed') }} as virksomheder on foranstaltninger.leverandoer_cvr = virksomheder.cvr_nummer
