-- Question 1: what does a child in trouble cost before and after the first notification? All children, quarter by quarter.
select
    kvartal,
    fase,
    boern,
    udgift_pr_barn,
    fravaersdage_pr_barn
from {{ ref('mart_barn_forloeb') }}
where underretter = 'I alt' and not diskretioneret
order by kvartal
