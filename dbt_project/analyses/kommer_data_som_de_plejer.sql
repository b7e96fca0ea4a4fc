-- Kommer data, som de plejer, og hvad koster det? Hvert systems indlæsninger: hvor tit, hvor længe, hvor meget, og hvad der mislykkedes.
select
    fagomraade,
    system,
    count(*) as indlaesninger,
    count(*) filter (where status = 'failed') as mislykkede,
    sum(sekunder) as sekunder,
    sum(raekker_hentet) as raekker_hentet,
    sum(raekker_frasorteret) as raekker_frasorteret,
    max(paabegyndt) as senest
from {{ ref('mart_indlaesninger') }}
group by fagomraade, system
order by mislykkede desc, sekunder desc
