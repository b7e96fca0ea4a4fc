-- Spørgsmål 10: hvilke data har fagområderne om personer, hvor ofte kommer de, og hvad må de bruges til? De følsomste tabeller først.
select
    fagomraade,
    system,
    tabel_navn,
    ejer,
    adgangsvej,
    kadence,
    hoejeste_klasse,
    formaal,
    raekker,
    sidst_indlaest
from {{ ref('mart_dataflow_pr_fagomraade') }}
where hoejeste_klasse <> 'P0'
order by hoejeste_klasse desc, fagomraade asc, system asc, tabel_navn asc
