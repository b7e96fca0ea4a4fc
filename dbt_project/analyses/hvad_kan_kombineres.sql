-- Spørgsmål 10: hvilke systemer kan kombineres, hvor gode er de, og hvilke er endnu mørke?
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
