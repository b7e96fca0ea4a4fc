select
    linjer.cvr_nummer || ':' || linjer.fakturanummer || ':' || linjer.linjenummer as indkoebslinje_id,
    linjer.fakturanummer,
    linjer.fakturadato,
    coalesce(virksomhed.cvr_nummer, {{ unknown_key() }}) as cvr_nummer,
    linjer.institutionsnummer,
    linjer.enhed_id,
    linjer.unspsc,
    linjer.unspsc_betegnelse,
    linjer.klimagruppe,
    linjer.antal,
    linjer.maaleenhed,
    linjer.beloeb
from {{ ref('int_indkoeb__grupperet') }} as linjer
left join {{ ref('dim_virksomhed') }} as virksomhed on linjer.cvr_nummer = virksomhed.cvr_nummer
