{% set parts = ['boern_med_foranstaltning', 'boern_i_specialtilbud', 'boern_besoegt', 'boern_henvist'] -%}
{% set counts = ['boern'] + parts -%}
{% set total_hidden = hidden_total('boern', 'skjul_boern', 'sum(boern)') -%}
with

celler as (
    select
        kvartal,
        underretter,
        count(*) as boern,
        sum(fravaersdage) as fravaersdage,
        count(*) filter (where foranstaltninger <> 0) as boern_med_foranstaltning,
        sum(foranstaltninger) as foranstaltninger,
        count(*) filter (where specialtilbud <> 0) as boern_i_specialtilbud,
        sum(specialtilbud) as specialtilbud,
        count(*) filter (where sundhedsbesoeg > 0) as boern_besoegt,
        sum(sundhedsbesoeg) as sundhedsbesoeg,
        count(*) filter (where henvisninger > 0) as boern_henvist
    from (select * replace (coalesce(underretter, 'ukendt') as underretter) from {{ ref('int_barn__forloeb') }})
    group by kvartal, underretter
),

valgte_boern as (
    select
        *,
        {{ hidden_cell('boern', ['kvartal'], 'underretter') }} as skjul_boern
    from celler
),

-- Who knows of few children that they were notified must not read here what became of them.
valgt as (
    select
        {% for part in parts %}
        {{ hidden_cell(part, ['kvartal'], 'underretter', among='skjul_boern', of='boern') }} as skjul_{{ part }},
        {% endfor %}
        *
    from valgte_boern
),

med_total as (
    select * from valgt
    union all by name
    select
        kvartal,
        'I alt' as underretter,
        sum(boern) as boern,
        {{ total_hidden }} as skjul_boern,
        {% for part in parts %}
        sum({{ part }}) as {{ part }},
        {{ hidden_total(part, 'skjul_' ~ part, 'sum(' ~ part ~ ')', among='skjul_boern', whole=total_hidden) }} as skjul_{{ part }},
        {% endfor %}
        sum(fravaersdage) as fravaersdage,
        sum(foranstaltninger) as foranstaltninger,
        sum(specialtilbud) as specialtilbud,
        sum(sundhedsbesoeg) as sundhedsbesoeg
    from valgt
    group by kvartal
)

-- Who has a measure or a placement, is visited or referred, are fewer than who is followed: what they cost and get is hidden by their own
-- number.
select
    kvartal,
    case when kvartal < 0 then 'før' else 'efter' end as fase,
    underretter,
    case when not skjul_boern then boern end::integer as boern,
    case when not skjul_boern then fravaersdage end::integer as fravaersdage,
    case when not skjul_boern_med_foranstaltning then boern_med_foranstaltning end::integer as boern_med_foranstaltning,
    case when not skjul_boern_med_foranstaltning then foranstaltninger end::decimal(18, 2) as foranstaltninger,
    case when not skjul_boern_i_specialtilbud then boern_i_specialtilbud end::integer as boern_i_specialtilbud,
    case when not skjul_boern_i_specialtilbud then specialtilbud end::decimal(18, 2) as specialtilbud,
    case
        when not (skjul_boern or skjul_boern_med_foranstaltning or skjul_boern_i_specialtilbud) then (foranstaltninger + specialtilbud) / boern
    end::decimal(18, 2) as udgift_pr_barn,
    case when not skjul_boern then fravaersdage / boern end::decimal(9, 2) as fravaersdage_pr_barn,
    case when not skjul_boern_besoegt then boern_besoegt end::integer as boern_besoegt,
    case when not skjul_boern_besoegt then sundhedsbesoeg end::integer as sundhedsbesoeg,
    case when not skjul_boern_henvist then boern_henvist end::integer as boern_henvist,
    ({% for count in counts %}{{ " or " if not loop.first }}skjul_{{ count }}{% endfor %}) as diskretioneret
from med_total
