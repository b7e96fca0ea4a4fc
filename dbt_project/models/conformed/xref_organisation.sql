-- One row a spell in which a unit has the same number in a system: versions of the unit that do not change it are one.
with

numre as (
    select
        versioner.enhed_uuid,
        versioner.gyldig_fra,
        versioner.gyldig_til,
        unnest([
            { 'system': 'OPUS', 'nummer': enheder.enhed_id },
            { 'system': 'SD', 'nummer': enheder.sd_afdeling },
            { 'system': 'EAN', 'nummer': enheder.ean_nummer },
            { 'system': 'P-nummer', 'nummer': enheder.p_nummer }
        ]) as fundet
    from {{ ref('dim_organisation_historik') }} as versioner
    inner join {{ ref('stg_os2mo__enheder') }} as enheder
        on versioner.enhed_uuid = enheder.enhed_uuid and versioner.gyldig_fra = enheder.gyldig_fra
),

{{ number_spells('numre', 'enhed_uuid') }}

select
    enhed_uuid,
    nummersystem,
    nummer,
    gyldig_fra,
    gyldig_til,
    'os2mo' as kilde,
    1.00::decimal(3, 2) as tillid
from perioder
