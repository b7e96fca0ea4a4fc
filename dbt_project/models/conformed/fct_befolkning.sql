-- What Danmarks Statistik counts and what it projects, by year: the first of January counts.
select
    kommune.kommunekode || ':' || folketal.aar || ':' || folketal.koen || ':' || folketal.alder || ':' || folketal.art as befolkning_id,
    kommune.kommunekode,
    folketal.aar,
    folketal.koen,
    folketal.alder,
    folketal.art,
    folketal.antal
from (
    select
        kommunekode,
        left(kvartal, 4)::integer as aar,
        koen,
        alder,
        'talt' as art,
        antal
    from {{ ref('stg_dst__folk1a') }}
    where right(kvartal, 2) in ('K1', 'Q1')
    union all
    select
        kommunekode,
        aar::integer as aar,
        koen,
        alder,
        'fremskrevet' as art,
        antal
    from {{ ref('stg_dst__fremskrivning') }}
) as folketal
inner join {{ ref('dim_kommune') }} as kommune on folketal.kommunekode = kommune.kommunekode
