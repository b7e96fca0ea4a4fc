with

celler as (
    select
        kvartal,
        underretter,
        count(*) as boern,
        sum(fravaersdage) as fravaersdage,
        sum(foranstaltninger) as foranstaltninger,
        sum(specialtilbud) as specialtilbud,
        count(*) filter (where sundhedsbesoeg > 0) as boern_besoegt,
        sum(sundhedsbesoeg) as sundhedsbesoeg,
        count(*) filter (where henvisninger > 0) as boern_henvist
    from (select * replace (coalesce(underretter, 'ukendt') as underretter) from {{ ref('int_barn__forloeb') }})
    group by kvartal, underretter
),

valgt as (
    select
        *,
        {{ hidden_cell('boern', ['kvartal'], 'underretter') }} as skjul_boern,
        {{ hidden_cell('boern_besoegt', ['kvartal'], 'underretter') }} as skjul_besoegt,
        {{ hidden_cell('boern_henvist', ['kvartal'], 'underretter') }} as skjul_henvist
    from celler
),

med_total as (
    select * from valgt
    union all by name
    select
        kvartal,
        'I alt' as underretter,
        sum(boern) as boern,
        sum(fravaersdage) as fravaersdage,
        sum(foranstaltninger) as foranstaltninger,
        sum(specialtilbud) as specialtilbud,
        sum(boern_besoegt) as boern_besoegt,
        sum(sundhedsbesoeg) as sundhedsbesoeg,
        sum(boern_henvist) as boern_henvist,
        {{ hidden_total('boern', 'skjul_boern', 'sum(boern)') }} as skjul_boern,
        {{ hidden_total('boern_besoegt', 'skjul_besoegt', 'sum(boern_besoegt)') }} as skjul_besoegt,
        {{ hidden_total('boern_henvist', 'skjul_henvist', 'sum(boern_henvist)') }} as skjul_henvist
    from valgt
    group by kvartal
)

select
    kvartal,
    case when kvartal < 0 then 'før' else 'efter' end as fase,
    underretter,
    case when not skjul_boern then boern end::integer as boern,
    case when not skjul_boern then fravaersdage end::integer as fravaersdage,
    case when not skjul_boern then foranstaltninger end::decimal(18, 2) as foranstaltninger,
    case when not skjul_boern then specialtilbud end::decimal(18, 2) as specialtilbud,
    case when not skjul_boern then (foranstaltninger + specialtilbud) / boern end::decimal(18, 2) as udgift_pr_barn,
    case when not skjul_boern then fravaersdage / boern end::decimal(9, 2) as fravaersdage_pr_barn,
    -- Who is visited or referred are fewer than who is followed, and hidden by their own number.
    case when not skjul_besoegt then boern_besoegt end::integer as boern_besoegt,
    case when not skjul_besoegt then sundhedsbesoeg end::integer as sundhedsbesoeg,
    case when not skjul_henvist then boern_henvist end::integer as boern_henvist,
    skjul_boern or skjul_besoegt or skjul_henvist as diskretioneret
from med_total
