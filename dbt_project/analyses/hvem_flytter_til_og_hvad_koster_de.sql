-- Question 9: who moves in and out, and what do movers in cost in their first 24 months? Quarters that are followed to the end come first.
select
    kvartal,
    retning,
    flytninger,
    fulgt_i_24_mdr,
    round(ydelser_24_mdr / nullif(flytninger, 0), 0) as ydelser_pr_flytning,
    round(omsorgstimer_24_mdr / nullif(flytninger, 0), 1) as omsorgstimer_pr_flytning
from {{ ref('mart_flytning') }}
where aldersgruppe = 'I alt' and not diskretioneret
order by fulgt_i_24_mdr desc, kvartal asc, retning asc
