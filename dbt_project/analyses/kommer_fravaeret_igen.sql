-- Kommer fraværet igen hos de samme, og bliver det længere? Ansatte efter hvor mange måneder de har haft sygefravær i. Kun til HR's eget
-- formål: personerne hedder noget andet i alle andre marts.
with

ansatte as (
    select
        pseudonym,
        count(distinct maaned) as maaneder,
        sum(fravaer) as fravaer,
        sum(timer) as timer
    from {{ ref('mart_medarbejder_fravaersforloeb') }}
    where fravaersart = 'syg'
    group by pseudonym
)

select
    least(maaneder, 12) as maaneder_med_sygefravaer,
    count(*) as ansatte,
    sum(fravaer) as fravaer,
    round(sum(timer) / sum(fravaer), 1) as timer_pr_fravaer
from ansatte
group by 1
having count(*) >= 5
order by 1
