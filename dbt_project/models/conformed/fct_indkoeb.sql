select
    linjer.cvr_nummer || ':' || linjer.fakturanummer || ':' || linjer.linjenummer as indkoebslinje_id,
    linjer.fakturanummer,
    linjer.fakturadato,
    coalesce(virksomhed.cvr_nummer, {{ unknown_key() }}) as cvr_nummer,
    linjer.institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    linjer.enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    linjer.unspsc,
    linjer.unspsc_betegnelse,
    linjer.klimagruppe,
    linjer.antal,
    linjer.maaleenhed,
    linjer.beloeb
from {{ ref('int_indkoeb__grupperet') }} as linjer
left join {{ ref('dim_virksomhed') }} as virksomhed on linjer.cvr_nummer = virksomhed.cvr_nummer
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "linjer.enhed_id", "linjer.fakturadato") }}
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'linjer.institutionsnummer', 'linjer.fakturadato') }}
