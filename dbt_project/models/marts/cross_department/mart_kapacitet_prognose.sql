-- Children for ten years against places, floor and new homes. Danmarks Statistik projects the municipality; a district gets the share of it
-- that lives there now. One set of cells a kind of place, hidden alike in every year: the share tells the count it is made of. A district
-- is hidden with an institution in it that mart_klima_drift hides; alone among districts that can be added up there, with its total.
{% set counts = ['boern_nu', 'indskrevne', 'boligsager', 'boligtilladelser'] %}
with

grupper as (
    select
        tilbudstype,
        fra_alder,
        lead(fra_alder) over (order by fra_alder) as naeste_fra_alder
    from {{ ref('aldersgrupper') }}
),

fremskrevet as (
    select
        folketal.aar,
        grupper.tilbudstype,
        sum(folketal.antal) as boern
    from {{ ref('fct_befolkning') }} as folketal
    inner join grupper on folketal.alder >= grupper.fra_alder and folketal.alder < coalesce(grupper.naeste_fra_alder, 999)
    where folketal.art = 'fremskrevet' and folketal.kommunekode = {{ own_municipality() }} and grupper.tilbudstype is not null
    group by 1, 2
),

aar as (
    select distinct aar
    from fremskrevet
    where aar <= (select min(foerste.aar) + 10 from fremskrevet as foerste)
),

valgt as (
    select
        {% for count in counts %}
        {{ hidden_cell(count, ['tilbudstype'], 'skoledistrikt') }}{% if count == 'indskrevne' %} or skjult_institution{% endif %} as skjul_{{ count }},
        {% endfor %}
        *
    from {{ ref('int_distrikt__kapacitet') }}
),

med_total as (
    select * from valgt
    union all by name
    select
        'I alt' as skoledistrikt,
        tilbudstype,
        {% for count in counts %}
        sum({{ count }}) as {{ count }},
        {{ hidden_total(count, 'skjul_' ~ count, 'sum(' ~ count ~ ')') }}
        {% if count == 'indskrevne' %}or count(*) filter (where skjult_institution) = 1{% endif %} as skjul_{{ count }},
        {% endfor %}
        sum(pladser) as pladser,
        sum(areal_m2) as areal_m2
    from valgt
    group by tilbudstype
),

fordelt as (
    select
        aar.aar,
        med_total.*,
        coalesce(distrikter.skoledistrikt_navn, med_total.skoledistrikt) as skoledistrikt_navn,
        case
            when med_total.skoledistrikt = 'I alt' then fremskrevet.boern
            -- A share is a count over the total: where the total is hidden no share is shown.
            when not bool_or(med_total.skjul_boern_nu and med_total.skoledistrikt = 'I alt') over saet and not med_total.skjul_boern_nu
                then fremskrevet.boern * med_total.boern_nu / nullif(sum(med_total.boern_nu) filter (where med_total.skoledistrikt <> 'I alt') over saet, 0)
        end as boern
    from med_total
    cross join aar
    left join fremskrevet on aar.aar = fremskrevet.aar and med_total.tilbudstype = fremskrevet.tilbudstype
    left join {{ ref('dim_skoledistrikt') }} as distrikter on med_total.skoledistrikt = distrikter.skoledistrikt
    window saet as (partition by aar.aar, med_total.tilbudstype)
)

select
    aar,
    skoledistrikt,
    skoledistrikt_navn,
    tilbudstype,
    boern::decimal(18, 1) as boern,
    pladser::integer as pladser,
    (pladser - boern)::decimal(18, 1) as pladser_i_overskud,
    areal_m2::bigint as areal_m2,
    (areal_m2 / nullif(boern, 0))::decimal(18, 2) as m2_pr_barn,
    {% for count in counts %}
    case when not skjul_{{ count }} then {{ count }} end::integer as {{ count }},
    {% endfor %}
    ({% for count in counts %}{{ " or " if not loop.first }}skjul_{{ count }}{% endfor %}) as diskretioneret
from fordelt
