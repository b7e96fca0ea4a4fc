-- Budgetopfølgning: hvad hvert center har brugt i år under hvert udvalg af det, det har, hvad der er tilbage, og hvad året ventes at koste,
-- ved den seneste måned der kan vises. Måneder, hvis forbrug er skjult, er ikke med i procenten.
select
    udvalg,
    center,
    count(*) as maaneder,
    sum(maanedsbudget) as budget_til_dato,
    sum(forbrug) as forbrug,
    round(100 * sum(forbrug) / nullif(sum(maanedsbudget) filter (where forbrug is not null), 0), 1) as forbrug_pct_af_budget,
    arg_max(rest_af_aarsbudget, maaned) as rest_af_aarsbudget,
    arg_max(forventet_aarsforbrug, maaned) as forventet_aarsforbrug,
    bool_or(diskretioneret) as noget_er_skjult
from {{ ref('mart_budgetopfoelgning') }}
where raekketype = 'center i alt' and regnskabsaar = (select max(regnskabsaar) from {{ ref('mart_budgetopfoelgning') }})
group by udvalg, center
order by forbrug_pct_af_budget desc nulls last
