-- From each unit up to all it stands under, today. The length of the path stops a circle, which `dim_organisation` shows as it is.
with recursive

veje as (
    select
        enhed_id as overordnet_enhed_id,
        enhed_id,
        0 as afstand
    from {{ ref('dim_organisation') }}
    union all
    select
        enheder.overordnet_enhed_id,
        veje.enhed_id,
        veje.afstand + 1 as afstand
    from veje
    inner join {{ ref('dim_organisation') }} as enheder on veje.overordnet_enhed_id = enheder.enhed_id
    inner join {{ ref('dim_organisation') }} as overordnede on enheder.overordnet_enhed_id = overordnede.enhed_id
    where veje.afstand < 20
)

select
    overordnet_enhed_id,
    enhed_id,
    min(afstand)::integer as afstand
from veje
group by overordnet_enhed_id, enhed_id
