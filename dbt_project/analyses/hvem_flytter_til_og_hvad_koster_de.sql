-- Spørgsmål 9: hvem flytter til og fra, og hvad koster tilflyttere de første 24 måneder? De kvartaler, der er fulgt til ende, står først; hvad der
-- er skjult, er tomt.
select
    kvartal,
    retning,
    flytninger,
    fulgt_i_24_mdr,
    round(ydelser_24_mdr / nullif(flytninger, 0), 0) as ydelser_pr_flytning,
    round(omsorgstimer_24_mdr / nullif(flytninger, 0), 1) as omsorgstimer_pr_flytning
from {{ ref('mart_flytning') }}
where aldersgruppe = 'I alt' and flytninger is not null
order by fulgt_i_24_mdr desc, kvartal asc, retning asc
