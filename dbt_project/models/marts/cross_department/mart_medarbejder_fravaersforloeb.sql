-- A person with several employments is one here; the vault's keys are one for each purpose, so she is nobody that another mart knows.
select
    navn.pseudonym,
    date_trunc('month', fravaer.fra_dato)::date as maaned,
    coalesce(fravaer.fravaersart, 'ukendt') as fravaersart,
    count(*)::integer as fravaer,
    sum(fravaer.timer)::decimal(18, 2) as timer
from {{ ref('fct_fravaer') }} as fravaer
inner join {{ ref('dim_medarbejder') }} as medarbejder on fravaer.medarbejder_noegle = medarbejder.medarbejder_noegle
{{ pseudonym_of('personaleadministration', 'medarbejder.person_id') }}
-- An absence without a day that can be read is in no month: the quarantine has it.
where fravaer.fra_dato is not null
group by all
