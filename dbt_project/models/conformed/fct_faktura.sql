-- Invoices, and credit notes as what they take off them.
with

bilag as (
    select
        cvr_nummer,
        fakturanummer as bilagsnummer,
        'faktura' as bilagsart,
        fakturadato as dato,
        forfaldsdato,
        ordrenummer,
        ean_nummer,
        moms,
        beloeb,
        at_betale
    from {{ ref('stg_oioubl__fakturaer') }}
    union all
    select
        cvr_nummer,
        kreditnotanummer as bilagsnummer,
        'kreditnota' as bilagsart,
        dato,
        null as forfaldsdato,
        ordrenummer,
        ean_nummer,
        -moms as moms,
        -beloeb as beloeb,
        -at_betale as at_betale
    from {{ ref('stg_oioubl__kreditnotaer') }}
)

select
    bilag.bilagsart || ':' || bilag.cvr_nummer || ':' || bilag.bilagsnummer as bilag_id,
    bilag.bilagsnummer,
    bilag.bilagsart,
    bilag.dato,
    bilag.forfaldsdato,
    bilag.ordrenummer,
    coalesce(virksomhed.cvr_nummer, {{ unknown_key() }}) as cvr_nummer,
    coalesce(institution.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    bilag.beloeb,
    bilag.moms,
    bilag.at_betale
from bilag
left join {{ ref('dim_virksomhed') }} as virksomhed on bilag.cvr_nummer = virksomhed.cvr_nummer
{{ join_by_number('EAN', 'bilag.ean_nummer', 'bilag.dato') }}
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "organisation.enhed_id", "bilag.dato") }}
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institution.institutionsnummer', 'bilag.dato') }}
