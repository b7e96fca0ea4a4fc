-- Question 10: which departments' data are weakest, and on which point? Departments first, then their systems.
select
    fagomraade,
    system,
    score,
    fuldstaendighed,
    gyldighed,
    entydighed,
    rettidighed,
    sammenhaeng
from {{ ref('mart_datakvalitet_score') }}
order by min(score) over (partition by fagomraade) asc, fagomraade asc, system_id = 'I alt' desc, score asc
