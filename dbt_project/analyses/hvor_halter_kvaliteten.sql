-- Spørgsmål 10: hvilke fagområders data er svagest, og på hvilket punkt? Først fagområderne, så deres systemer.
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
