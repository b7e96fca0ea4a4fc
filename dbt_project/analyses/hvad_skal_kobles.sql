-- Hvilke skrevne adresser og leverandører er modellen ikke sikker på? De mest sandsynlige forslag først.
select
    fagomraade,
    slags,
    system_id,
    tekst,
    forslag,
    tillid
from {{ ref('mart_koblinger_til_gennemsyn') }}
order by tillid desc, tekst asc
