-- An absence over a turn of month belongs to both months, by its working days in each. One without any working day goes by calendar days.
with

dage as (
    select
        fravaer.fravaer_id,
        dato.maaned,
        count(*) as kalenderdage,
        count(*) filter (where dato.er_arbejdsdag) as arbejdsdage
    from {{ ref('stg_opus_loen__fravaer') }} as fravaer
    inner join {{ ref('dim_dato') }} as dato
        on dato.dato between fravaer.fra_dato and coalesce(fravaer.til_dato, fravaer.fra_dato)
    group by fravaer.fravaer_id, dato.maaned
),

vaegte as (
    select
        fravaer_id,
        maaned,
        if(sum(arbejdsdage) over fravaer > 0, arbejdsdage, kalenderdage)
        / if(sum(arbejdsdage) over fravaer > 0, sum(arbejdsdage) over fravaer, sum(kalenderdage) over fravaer) as andel
    from dage
    window fravaer as (partition by fravaer_id)
)

select
    fravaer.fravaer_id,
    vaegte.maaned,
    fravaer.medarbejdernummer,
    fravaer.enhed_id,
    fravaer.fravaersart,
    (fravaer.timer * vaegte.andel)::decimal(18, 4) as timer
from {{ ref('stg_opus_loen__fravaer') }} as fravaer
inner join vaegte on fravaer.fravaer_id = vaegte.fravaer_id
where vaegte.andel > 0
