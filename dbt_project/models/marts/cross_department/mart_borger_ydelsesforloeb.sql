-- The vault's keys are one for each purpose: this person is nobody that another mart knows.
select
    navn.pseudonym,
    date_trunc('month', ydelse.uge_mandag)::date as maaned,
    ydelse.ydelsesgruppe,
    max_by(borger.aldersgruppe, ydelse.uge_mandag) as aldersgruppe,
    max_by(borger.koen, ydelse.uge_mandag) as koen,
    count(distinct ydelse.uge_mandag)::integer as uger
from {{ ref('fct_ydelse') }} as ydelse
left join {{ ref('dim_borger') }} as borger on ydelse.borger_noegle = borger.borger_noegle
{{ pseudonym_of('ydelsesadministration', 'ydelse.person_id') }}
group by all
