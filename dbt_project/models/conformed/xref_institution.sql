-- The five names of one school, one row a spell in which a number is its. The pupil system says four; OS2mo's UUID is found by the
-- P-number, which wins, or else by EAN, as both are today.
with

enheder as (
    select
        nummersystem,
        nummer,
        enhed_uuid,
        gyldig_fra,
        gyldig_til
    from {{ ref('xref_organisation') }}
    where gyldig_til >= current_date
    -- A number that two units share today tells of neither.
    qualify count(*) over (partition by nummersystem, nummer) = 1
),

fundne as (
    select
        institutioner.institutionsnummer,
        coalesce(efter_p.enhed_uuid, efter_ean.enhed_uuid)::varchar as enhed_uuid,
        coalesce(efter_p.gyldig_fra, efter_ean.gyldig_fra) as gyldig_fra,
        coalesce(efter_p.gyldig_til, efter_ean.gyldig_til) as gyldig_til,
        efter_p.enhed_uuid is not null as efter_p_nummer,
        efter_p.enhed_uuid = efter_ean.enhed_uuid as enige
    from {{ ref('dim_institution') }} as institutioner
    left join enheder as efter_p on efter_p.nummersystem = 'P-nummer' and institutioner.p_nummer = efter_p.nummer
    left join enheder as efter_ean on efter_ean.nummersystem = 'EAN' and institutioner.ean_nummer = efter_ean.nummer
),

egne as (
    select
        institutionsnummer,
        gyldig_fra,
        gyldig_til,
        unnest([
            { 'system': 'STIL', 'nummer': institutionsnummer },
            { 'system': 'OPUS', 'nummer': nullif(enhed_id, {{ unknown_key() }}) },
            { 'system': 'EAN', 'nummer': ean_nummer },
            { 'system': 'P-nummer', 'nummer': p_nummer }
        ]) as fundet
    from {{ ref('dim_institution_historik') }}
    where institutionsnummer <> {{ unknown_key() }}
),

{{ number_spells('egne', 'institutionsnummer') }}

select
    institutionsnummer,
    nummersystem,
    nummer,
    gyldig_fra,
    gyldig_til,
    'kmd_elev' as kilde,
    1.00::decimal(3, 2) as tillid
from perioder
union all
select
    institutionsnummer,
    'OS2mo' as nummersystem,
    enhed_uuid as nummer,
    gyldig_fra,
    gyldig_til,
    if(efter_p_nummer, 'os2mo, P-nummer', 'os2mo, EAN') as kilde,
    case
        when enige then 1.00
        when efter_p_nummer then 0.90
        else 0.80
    end::decimal(3, 2) as tillid
from fundne
where enhed_uuid is not null
