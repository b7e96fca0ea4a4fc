-- Spørgsmål 10: hvad skal rettes i kildesystemerne, og hvem kan gøre det? De felter med flest fejl først.
select
    fagomraade,
    system,
    tabel,
    kolonne,
    aarsag,
    antal,
    heraf_raekken_mangler,
    dataansvarlig
from {{ ref('mart_datakvalitet') }}
order by antal desc, system asc, tabel asc, kolonne asc
limit 25
