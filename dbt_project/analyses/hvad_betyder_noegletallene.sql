-- Hvilke nøgletal ejer hvert fagområde, hvad betyder de, og hvad kan de deles på?
select
    ejer,
    navn,
    definition,
    enhed,
    perioder,
    kan_deles_paa
from {{ ref('mart_noegletal') }}
order by ejer, navn
