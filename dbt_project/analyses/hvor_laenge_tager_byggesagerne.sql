-- Spørgsmål 7: hvor længe tager byggesagerne, og følger det antallet af sager og hænder, og hvad kommer der af klager og opkald? Alle emner, de seneste tolv måneder.
select
    maaned,
    modtagne,
    afgjorte,
    verserende,
    median_sagsbehandlingsdage,
    gebyr,
    klager,
    telefonnotater,
    aarsvaerk,
    afgjorte_pr_aarsvaerk
from {{ ref('mart_sagsflow') }}
where emne = 'I alt'
order by maaned desc
limit 12
