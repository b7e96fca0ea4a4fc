-- Purchase lines with institution and climate group, before their supplier is looked up: who asks what was bought need not know of whom.
select
    linjer.cvr_nummer,
    linjer.fakturanummer,
    linjer.linjenummer,
    linjer.fakturadato,
    coalesce(institution.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    linjer.unspsc,
    linjer.unspsc_betegnelse,
    coalesce(grupper.klimagruppe, 'andet') as klimagruppe,
    linjer.antal,
    linjer.maaleenhed,
    linjer.beloeb
from {{ ref('stg_truelink__indkoebslinjer') }} as linjer
{{ join_by_number('EAN', 'linjer.ean_nummer', 'linjer.fakturadato') }}
left join {{ ref('klimagrupper') }} as grupper on left(linjer.unspsc, 4) = grupper.unspsc_familie
