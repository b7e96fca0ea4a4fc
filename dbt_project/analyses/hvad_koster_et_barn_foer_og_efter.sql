-- Spørgsmål 1: hvad koster et barn i vanskeligheder før og efter den første underretning? Alle børn, kvartal for kvartal.
select
    kvartal,
    fase,
    boern,
    udgift_pr_barn,
    fravaersdage_pr_barn
from {{ ref('mart_barn_forloeb') }}
where underretter = 'I alt' and not diskretioneret
order by kvartal
