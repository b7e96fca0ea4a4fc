-- Spørgsmål 7: hvilke emner driver henvendelser og opkald? Årets emner, de største først.
select
    emneomraade,
    hovedgruppe,
    emne,
    henvendelser,
    udeblevne,
    ventetid_minutter,
    telefonnotater
from {{ ref('mart_henvendelse_emne') }}
where kle_emne <> 'I alt' and aar = (select max(aar) from {{ ref('mart_henvendelse_emne') }})
order by henvendelser desc, telefonnotater desc nulls last
