-- A person with several employments is one here; the vault's keys are one for each purpose, so she is nobody that another mart knows.
select
    navn.pseudonym,
    date_trunc('month', fravaer.fra_dato)::date as maaned,
    fravaer.fravaersart,
    count(*)::integer as fravaer,
    sum(fravaer.timer)::decimal(18, 2) as timer
from {{ ref('fct_fravaer') }} as fravaer
inner join {{ ref('dim_medarbejder') }} as medarbejder on fravaer.medarbejder_noegle = medarbejder.medarbejder_noegle
{{ pseudonym_of('personaleadministration', 'medarbejder.person_id') }}
group by all
