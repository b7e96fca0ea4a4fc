-- Spørgsmål 2: hvor mange af de børn, hvis fravær steg, blev underrettet om 3-12 måneder senere, over for de øvrige?
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
