-- An absence over a turn of month belongs to both months, by its working days in each. One without any working day goes by calendar days.
with

kalender as (
    select
        min(dato) as foerste,
        max(dato) as sidste
    from {{ ref('dim_dato') }}
),

-- Each day is written out, which is quicker than joining periods with days. An absence without end stops where the calendar does.
fravaersdage as (
    select
        fravaer.fravaer_id,
        unnest(generate_series(
            greatest(fravaer.fra_dato, kalender.foerste),
            least(greatest(fravaer.til_dato, fravaer.fra_dato), kalender.sidste),
            interval 1 day
        ))::date as dato
    from {{ ref('stg_opus_loen__fravaer') }} as fravaer
    cross join kalender
),

dage as (
    select
        fravaersdage.fravaer_id,
        dato.maaned,
        count(*) as kalenderdage,
        count(*) filter (where dato.er_arbejdsdag) as arbejdsdage
    from fravaersdage
    inner join {{ ref('dim_dato') }} as dato on fravaersdage.dato = dato.dato
    group by fravaersdage.fravaer_id, dato.maaned
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
