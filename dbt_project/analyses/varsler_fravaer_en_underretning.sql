-- Question 2: of the children whose absence rose, how many were notified about 3 to 12 months later, against the others?
select
    halvaar,
    boern,
    boern_stigende,
    underrettede_stigende_pct,
    underrettede_oevrige_pct,
    round(underrettede_stigende_pct / nullif(underrettede_oevrige_pct, 0), 1) as gange_saa_hyppigt
from {{ ref('mart_tidlig_opsporing') }}
where institutionsnummer = 'I alt'
order by halvaar
