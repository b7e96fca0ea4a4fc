-- Hvor kommer refusionen i ydelsesmarten fra? Fra tallet tilbage til felterne i kildesystemerne.
select
    kolonne,
    system,
    tabel,
    kildekolonne,
    kildekolonne_navn,
    anvendelse,
    vej
from {{ ref('mart_kolonneafstamning') }}
where mart = 'mart_ydelse_refusion' and kolonne in ('refusion', 'opus_refusion')
order by kolonne asc, anvendelse desc, trin asc
