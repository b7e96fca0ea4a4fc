-- Question 10: which systems can be combined, how good are they, and which are still dark?
select
    fagomraade,
    system,
    tilslutning,
    friskhed,
    raekker,
    brugbare_raekker_pct,
    noegler,
    antal_kombinationer
from {{ ref('mart_systemoverblik') }}
order by tilslutning desc, antal_kombinationer desc, system asc
