-- Whose an EAN or P-number is. What two units share tells of neither, and doubles no fact.
with

numre as (
    select
        enhed_id,
        unnest([{ 'system': 'EAN', 'nummer': ean_nummer }, { 'system': 'P-nummer', 'nummer': p_nummer }]) as fundet
    from {{ ref('dim_organisation') }}
)

select
    fundet['system'] as nummersystem,
    fundet['nummer'] as nummer,
    enhed_id
from numre
where fundet['nummer'] is not null
qualify count(*) over (partition by fundet['system'], fundet['nummer']) = 1
