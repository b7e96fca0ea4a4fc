-- Question 7: how long do building cases take, and does it follow the load and the hands? All subjects, the last twelve months.
select
    maaned,
    modtagne,
    afgjorte,
    verserende,
    median_sagsbehandlingsdage,
    gebyr,
    aarsvaerk,
    afgjorte_pr_aarsvaerk
from {{ ref('mart_sagsflow') }}
where emne = 'I alt'
order by maaned desc
limit 12
