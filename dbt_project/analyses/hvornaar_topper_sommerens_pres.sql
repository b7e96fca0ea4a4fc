-- Spørgsmål 4: hvor mange i sommerhuse har hjemmepleje, når personalet holder ferie? Måned for måned, hele kommunen.
select
    maaned,
    beboere as beboere_i_sommerhuse,
    bevilgede as med_bevilling,
    besoegte as med_besoeg,
    leverede_timer,
    ansatte_paa_ferie,
    ferietimer,
    round(100 * vikartimer / nullif(vikartimer + faste_timer, 0), 1) as vikarandel_pct,
    diskretioneret as noget_er_skjult
from {{ ref('mart_saesonbelastning') }}
where skoledistrikt = 'I alt'
order by maaned
