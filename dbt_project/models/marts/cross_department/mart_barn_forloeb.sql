with

celler as (
    select
        kvartal,
        underretter,
        count(*) as boern,
        sum(fravaersdage) as fravaersdage,
        sum(foranstaltninger) as foranstaltninger,
        sum(specialtilbud) as specialtilbud
    from (select * replace (coalesce(underretter, 'ukendt') as underretter) from {{ ref('int_barn__forloeb') }})
    group by kvartal, underretter
),

valgt as (
    select
        *,
        {{ hidden_cell('boern', ['kvartal'], 'underretter') }} as diskretioneret
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
        {{ hidden_total('boern', 'diskretioneret', 'sum(boern)') }} as diskretioneret
    from valgt
    group by kvartal
)

select
    kvartal,
    case when kvartal < 0 then 'før' else 'efter' end as fase,
    underretter,
    case when not diskretioneret then boern end::integer as boern,
    case when not diskretioneret then fravaersdage end::integer as fravaersdage,
    case when not diskretioneret then foranstaltninger end::decimal(18, 2) as foranstaltninger,
    case when not diskretioneret then specialtilbud end::decimal(18, 2) as specialtilbud,
    case when not diskretioneret then (foranstaltninger + specialtilbud) / boern end::decimal(18, 2) as udgift_pr_barn,
    case when not diskretioneret then fravaersdage / boern end::decimal(9, 2) as fravaersdage_pr_barn,
    diskretioneret
from med_total
