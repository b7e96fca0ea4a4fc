-- The five names of one school. The pupil system says four; OS2mo's UUID is found by the P-number, which wins, or else by EAN.
with

enheder as (
    select
        nummersystem,
        nummer,
        enhed_uuid
    from {{ ref('xref_organisation') }}
    where gyldig_til >= current_date
    -- A number that two units share today tells of neither.
    qualify count(*) over (partition by nummersystem, nummer) = 1
),

fundne as (
    select
        institutioner.institutionsnummer,
        coalesce(efter_p.enhed_uuid, efter_ean.enhed_uuid)::varchar as enhed_uuid,
        efter_p.enhed_uuid is not null as efter_p_nummer,
        efter_p.enhed_uuid = efter_ean.enhed_uuid as enige
    from {{ ref('stg_kmd_elev__institutioner') }} as institutioner
    left join enheder as efter_p on efter_p.nummersystem = 'P-nummer' and institutioner.p_nummer = efter_p.nummer
    left join enheder as efter_ean on efter_ean.nummersystem = 'EAN' and institutioner.ean_nummer = efter_ean.nummer
),

egne as (
    select
        institutionsnummer,
        unnest([
            { 'system': 'STIL', 'nummer': institutionsnummer },
            { 'system': 'OPUS', 'nummer': enhed_id },
            { 'system': 'EAN', 'nummer': ean_nummer },
            { 'system': 'P-nummer', 'nummer': p_nummer }
        ]) as fundet
    from {{ ref('stg_kmd_elev__institutioner') }}
)

select
    institutionsnummer,
    fundet['system'] as nummersystem,
    fundet['nummer'] as nummer,
    'kmd_elev' as kilde,
    1.00::decimal(3, 2) as tillid
from egne
where fundet['nummer'] is not null
union all
select
    institutionsnummer,
    'OS2mo' as nummersystem,
    enhed_uuid as nummer,
    if(efter_p_nummer, 'os2mo, P-nummer', 'os2mo, EAN') as kilde,
    case
        when enige then 1.00
        when efter_p_nummer then 0.90
        else 0.80
    end::decimal(3, 2) as tillid
from fundne
where enhed_uuid is not null
