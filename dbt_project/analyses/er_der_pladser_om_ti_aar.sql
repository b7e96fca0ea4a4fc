-- Spørgsmål 6: hvilke distrikter mangler pladser, nu og om fem og ti år? Negativt overskud er pladser, der mangler.
select
    skoledistrikt_navn,
    tilbudstype,
    aar,
    boern as forventede_boern,
    pladser,
    pladser_i_overskud,
    m2_pr_barn,
    boligsager as boliger_ansoegt,
    boligtilladelser as boliger_tilladt
from {{ ref('mart_kapacitet_prognose') }}
where
    tilbudstype <> 'ukendt'
    and aar in (year(current_date), year(current_date) + 5, year(current_date) + 10)
order by skoledistrikt_navn, tilbudstype, aar
