with recursive

enheder as (
    select *
    from {{ ref('stg_opus_loen__org_enheder') }}
    qualify row_number() over (partition by enhed_id order by aendret desc) = 1
),

-- From the top down. A unit whose parent is not known starts a tree of its own; a circle is never reached, and added below.
trae as (
    select
        enheder.enhed_id,
        1 as niveau,
        enheder.enhed as sti,
        null::varchar as center_id
    from enheder
    left join enheder as overordnet on enheder.overordnet_enhed_id = overordnet.enhed_id
    where overordnet.enhed_id is null
    union all
    select
        enheder.enhed_id,
        trae.niveau + 1 as niveau,
        trae.sti || ' > ' || coalesce(enheder.enhed, enheder.enhed_id) as sti,
        coalesce(trae.center_id, enheder.enhed_id) as center_id
    from enheder
    inner join trae on enheder.overordnet_enhed_id = trae.enhed_id
)

select
    enheder.enhed_id,
    coalesce(enheder.enhed, enheder.enhed_id) as enhed,
    enheder.kort_navn,
    enheder.enhedstype,
    enheder.overordnet_enhed_id,
    coalesce(trae.niveau, 1)::integer as niveau,
    coalesce(trae.sti, enheder.enhed, enheder.enhed_id) as sti,
    coalesce(trae.center_id, enheder.enhed_id) as center_id,
    coalesce(center.enhed, enheder.enhed) as center,
    coalesce(enheder.fagomraade, center.fagomraade) as fagomraade,
    {{ unpadded('enheder.omkostningssted') }} as omkostningssted,
    enheder.ean_nummer,
    enheder.p_nummer,
    enheder.startdato,
    enheder.slutdato,
    coalesce(enheder.slutdato >= current_date, true) as er_aktiv
from enheder
left join trae on enheder.enhed_id = trae.enhed_id
left join enheder as center on trae.center_id = center.enhed_id
union all
select
    {{ unknown_key() }} as enhed_id,
    'Ukendt' as enhed,
    null as kort_navn,
    null as enhedstype,
    null as overordnet_enhed_id,
    1 as niveau,
    'Ukendt' as sti,
    {{ unknown_key() }} as center_id,
    'Ukendt' as center,
    null as fagomraade,
    null as omkostningssted,
    null as ean_nummer,
    null as p_nummer,
    null as startdato,
    null as slutdato,
    true as er_aktiv
