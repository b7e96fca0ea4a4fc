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
left join {{ ref('int_institution__efter_nummer') }} as institution
    on
        institution.nummersystem = 'EAN'
        and linjer.ean_nummer = institution.nummer
        and linjer.fakturadato between institution.gyldig_fra and institution.gyldig_til
left join {{ ref('int_enhed__efter_nummer') }} as organisation
    on organisation.nummersystem = 'EAN' and linjer.ean_nummer = organisation.nummer
left join {{ ref('klimagrupper') }} as grupper on left(linjer.unspsc, 4) = grupper.unspsc_familie
