-- Spørgsmål 8: hvilke institutioner bruger mest pr. m² og pr. barn? De seneste tolv måneder; en måned uden areal eller børn tæller ikke med.
select
    institution,
    max(areal_m2) as areal_m2,
    sum(energi_kwh) as energi_kwh,
    sum(energi_kwh_pr_m2) as energi_kwh_pr_m2,
    sum(energi_kwh_pr_bruger) as energi_kwh_pr_bruger,
    sum(affald_kg_pr_bruger) as affald_kg_pr_bruger,
    sum(braendstof) as braendstof,
    sum(indkoeb_pr_bruger) as indkoeb_pr_bruger
from {{ ref('mart_klima_drift') }}
where maaned > (select max(maaned) - interval 12 month from {{ ref('mart_klima_drift') }}) and institutionsnummer <> '-1'
group by institution
order by energi_kwh_pr_m2 desc nulls last
