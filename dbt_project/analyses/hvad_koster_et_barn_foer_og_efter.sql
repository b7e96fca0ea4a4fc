-- Spørgsmål 1: hvad koster et barn i vanskeligheder før og efter den første underretning, og ser sundhedsplejen og PPR det? Alle børn, kvartal for kvartal.
select
    kvartal,
    fase,
    boern,
    udgift_pr_barn,
    fravaersdage_pr_barn,
    boern_besoegt,
    boern_henvist
from {{ ref('mart_barn_forloeb') }}
where underretter = 'I alt' and boern is not null
order by kvartal
