-- Budget and consumption by cost centre and function, and the committee that the function belongs to. The functions of benefits are one line, since mart_ydelse_refusion shows them one by
-- one and hides the small: shown here too, what is hidden there could be worked out. A year's budget is spread evenly over its months.
{% set within = ['maaned', 'center_id', 'udvalg'] -%}
with

overfoersler as (
    select distinct funktion
    from {{ ref('ydelser') }}
),

forbrug as (
    select
        postering.regnskabsmaaned as maaned,
        postering.omkostningssted,
        if(overfoersler.funktion is null, postering.funktion, 'Overførsler') as funktion,
        sum(postering.beloeb) as forbrug,
        bool_or(konto.hovedart = '1') as har_loen,
        coalesce(bool_or(konto.hovedart = '1' and loen.skjules), false) as loen_skjult,
        coalesce(bool_or(konto.hovedart = '1' and not loen.skjules), false) as loen_vist
    from {{ ref('fct_postering') }} as postering
    inner join {{ ref('dim_artskonto') }} as konto on postering.artskonto = konto.artskonto
    left join {{ ref('int_loen__maaned') }} as loen on postering.regnskabsmaaned = loen.maaned and postering.enhed_id = loen.enhed_id
    left join overfoersler on postering.funktion = overfoersler.funktion
    group by 1, 2, 3
),

budget as (
    select
        budget.regnskabsaar,
        budget.omkostningssted,
        if(overfoersler.funktion is null, budget.funktion, 'Overførsler') as funktion,
        sum(budget.beloeb) filter (where budget.budgetversion = '0') as oprindeligt,
        sum(budget.beloeb) filter (where budget.budgetversion = '1') as korrigeret
    from {{ ref('fct_budget') }} as budget
    left join overfoersler on budget.funktion = overfoersler.funktion
    group by 1, 2, 3
),

-- A year whose budget is not known has none of 0, and one in which nothing is corrected yet has its original one.
budgetaar as (
    select
        regnskabsaar,
        if(count(oprindeligt) > 0, 0, null) as intet_oprindeligt,
        count(korrigeret) > 0 as er_korrigeret
    from budget
    group by regnskabsaar
),

-- Up to the last month that anything is posted in: an empty month to come is no saving, nor is one in which little is posted ahead.
maaneder as (
    select
        dato.maaned,
        max(dato.dato) as sidste_dag,
        max(dato.dato) <= any_value(daekning.til_dato) as er_omme
    from {{ ref('dim_dato') }} as dato
    cross join {{ ref('int_postering__daekning') }} as daekning
    where
        dato.maaned >= (select min(forbrug.maaned) from forbrug)
        and dato.maaned <= (
            select max(forbrug.maaned)
            from forbrug
            where forbrug.maaned <= daekning.til_dato
        )
    group by dato.maaned
),

linjer as (
    select
        omkostningssted,
        funktion,
        year(maaned) as regnskabsaar
    from forbrug
    union
    select
        omkostningssted,
        funktion,
        regnskabsaar
    from budget
),

aar as (
    select distinct regnskabsaar
    from linjer
),

funktionerne as (
    select funktion from {{ ref('dim_funktion') }}
    union
    select funktion from overfoersler
),

-- The longest part of the chart that the look-up places wins; benefits are one line, and so need one committee between them.
udvalgene as (
    select
        aar.regnskabsaar,
        funktionerne.funktion,
        coalesce(arg_max(valg.udvalg, length(valg.funktion) * 10000 + valg.regnskabsaar_fra), 'Ukendt') as udvalg
    from aar
    cross join funktionerne
    left join {{ ref('udvalg') }} as valg
        on
            starts_with(funktionerne.funktion || '.', valg.funktion || '.')
            and aar.regnskabsaar between valg.regnskabsaar_fra and coalesce(valg.regnskabsaar_til, 9999)
    group by aar.regnskabsaar, funktionerne.funktion
),

linjens_udvalg as (
    select
        udvalgene.regnskabsaar,
        if(overfoersler.funktion is null, udvalgene.funktion, 'Overførsler') as funktion,
        if(count(distinct udvalgene.udvalg) = 1, min(udvalgene.udvalg), 'Flere udvalg') as udvalg
    from udvalgene
    left join overfoersler on udvalgene.funktion = overfoersler.funktion
    group by 1, 2
),

-- Whose money it is: employees paid by the cost centre's unit, citizens with benefits, children with a placement or a measure.
ansatte as (
    {{ employed('count') }}
),

borgere as (
    select
        date_trunc('month', uge_mandag)::date as maaned,
        'Overførsler' as funktion,
        count(distinct coalesce(person_id, {{ nobody() }})) as personer
    from {{ ref('fct_ydelse') }}
    group by 1
    union all
    select
        maaneder.maaned,
        '3.22.08' as funktion,
        count(distinct coalesce(placering.person_id, {{ nobody() }})) as personer
    from maaneder
    inner join {{ ref('fct_specialplacering') }} as placering
        on maaneder.sidste_dag >= placering.startdato and maaneder.maaned <= placering.slutdato and placering.betalingskommune = {{ own_municipality() }}
    group by maaneder.maaned
    union all
    select
        maaneder.maaned,
        '5.28.21' as funktion,
        count(distinct coalesce(foranstaltning.person_id, {{ nobody() }})) as personer
    from maaneder
    inner join {{ ref('fct_foranstaltning') }} as foranstaltning
        on maaneder.sidste_dag >= foranstaltning.startdato and maaneder.maaned <= foranstaltning.slutdato
    group by maaneder.maaned
),

celler as (
    select
        linjer.regnskabsaar,
        maaneder.maaned,
        maaneder.er_omme,
        steder.enhed_id,
        coalesce(organisation.center_id, {{ unknown_key() }}) as center_id,
        coalesce(linjens_udvalg.udvalg, 'Ukendt') as udvalg,
        linjer.omkostningssted,
        linjer.funktion,
        coalesce(budget.oprindeligt, budgetaar.intet_oprindeligt) as aarsbudget_oprindeligt,
        if(budgetaar.er_korrigeret, coalesce(budget.korrigeret, 0), coalesce(budget.oprindeligt, budgetaar.intet_oprindeligt)) as aarsbudget,
        coalesce(forbrug.forbrug, 0) as forbrug,
        -- What rests on nobody may be shown, and hidden beside what may not.
        case
            when coalesce(forbrug.forbrug, 0) = 0 then 0
            else coalesce(
                least(borgere.personer, if(forbrug.har_loen, coalesce(ansatte.ansatte, 1), null), if(forbrug.loen_skjult, 5, null)), 5
            )
        end as personer,
        coalesce(forbrug.loen_skjult, false) as loen_skjult,
        coalesce(forbrug.loen_vist, false) as loen_vist
    from linjer
    inner join maaneder on linjer.regnskabsaar = year(maaneder.maaned)
    left join {{ ref('dim_omkostningssted') }} as steder on linjer.omkostningssted = steder.omkostningssted
    left join {{ ref('dim_organisation') }} as organisation on steder.enhed_id = organisation.enhed_id
    left join linjens_udvalg on linjer.regnskabsaar = linjens_udvalg.regnskabsaar and linjer.funktion = linjens_udvalg.funktion
    left join budgetaar on linjer.regnskabsaar = budgetaar.regnskabsaar
    left join budget
        on
            linjer.regnskabsaar = budget.regnskabsaar
            and linjer.omkostningssted = budget.omkostningssted
            and linjer.funktion = budget.funktion
    left join forbrug
        on maaneder.maaned = forbrug.maaned and linjer.omkostningssted = forbrug.omkostningssted and linjer.funktion = forbrug.funktion
    left join ansatte on maaneder.maaned = ansatte.maaned and steder.enhed_id = ansatte.enhed_id
    left join borgere on maaneder.maaned = borgere.maaned and linjer.funktion = borgere.funktion
),

-- Salaries that mart_fravaer_vikar hides are hidden here too: first of all beside what is small, and where nothing is, as small themselves.
{% set smallest_first = "not loen_skjult, omkostningssted || '|' || funktion" %}
vejede as (
    select
        *,
        {{ hidden_cell('personer', within, smallest_first, published=false) }} as skjules
    from celler
),

maalte as (
    select
        * exclude (personer, skjules),
        case
            when loen_skjult and bool_or(loen_skjult and not skjules) over (partition by {{ within | join(', ') }}) then least(personer, 1)
            else personer
        end as personer
    from vejede
),

valgt as (
    select
        * exclude (enhed_id, loen_skjult),
        'linje' as raekketype,
        {{ hidden_cell('personer', within, smallest_first, published=false) }} as diskretioneret
    from maalte
),

med_total as (
    select * exclude (personer, loen_vist) from valgt
    union all by name
    select
        regnskabsaar,
        maaned,
        center_id,
        udvalg,
        'I alt' as omkostningssted,
        'I alt' as funktion,
        'center i alt' as raekketype,
        sum(aarsbudget_oprindeligt) as aarsbudget_oprindeligt,
        sum(aarsbudget) as aarsbudget,
        sum(forbrug) as forbrug,
        bool_and(er_omme) as er_omme,
        -- A line whose salaries mart_fravaer_vikar shows hides nothing: two others must be hidden, or the total.
        {{ hidden_total('personer', 'diskretioneret', 'sum(personer)') }}
        or (bool_or(diskretioneret) and count(*) filter (where diskretioneret and not loen_vist) < 2) as diskretioneret
    from valgt
    group by regnskabsaar, maaned, center_id, udvalg
),

-- From a hidden month on the rest of the year's budget and what is expected are hidden too: the step from one month to the next is the consumption.
loebende as (
    select
        *,
        sum(forbrug) over linje as forbrug_i_aaret,
        -- By the months that are over, as many as there are: the first year need not begin in January, and of the running month most is not
        -- posted yet.
        12 * sum(forbrug) filter (where er_omme) over linje / nullif(count(*) filter (where er_omme) over linje, 0) as forventet,
        bool_or(diskretioneret) over linje as rest_skjult
    from med_total
    window linje as (partition by regnskabsaar, center_id, udvalg, omkostningssted, funktion, raekketype order by maaned)
)

select
    loebende.regnskabsaar::integer as regnskabsaar,
    loebende.maaned,
    loebende.raekketype,
    loebende.center_id,
    coalesce(center.enhed, 'Ukendt') as center,
    loebende.udvalg,
    loebende.omkostningssted,
    steder.omkostningssted_navn,
    loebende.funktion,
    coalesce(funktioner.funktion_navn, loebende.funktion) as funktion_navn,
    loebende.aarsbudget_oprindeligt::decimal(18, 2) as aarsbudget_oprindeligt,
    loebende.aarsbudget::decimal(18, 2) as aarsbudget,
    (loebende.aarsbudget / 12)::decimal(18, 2) as maanedsbudget,
    case when not loebende.diskretioneret then loebende.forbrug end::decimal(18, 2) as forbrug,
    case when not loebende.diskretioneret then loebende.aarsbudget / 12 - loebende.forbrug end::decimal(18, 2) as afvigelse,
    case when not loebende.rest_skjult then loebende.aarsbudget - loebende.forbrug_i_aaret end::decimal(18, 2) as rest_af_aarsbudget,
    case when not loebende.rest_skjult then loebende.forventet end::decimal(18, 2) as forventet_aarsforbrug,
    loebende.diskretioneret or loebende.rest_skjult as diskretioneret
from loebende
left join {{ ref('dim_organisation') }} as center on loebende.center_id = center.enhed_id
left join {{ ref('dim_omkostningssted') }} as steder on loebende.omkostningssted = steder.omkostningssted
left join {{ ref('dim_funktion') }} as funktioner on loebende.funktion = funktioner.funktion
