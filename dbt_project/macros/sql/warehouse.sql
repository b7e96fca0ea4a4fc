{# What conformed models and marts have in common. #}

{#- The key that facts carry where their source names nobody, or somebody the dimension does not know. -#}
{%- macro unknown_key() -%}'-1'{%- endmacro -%}

{#- Stands for all who are not known where persons are counted: together they count as one. -#}
{%- macro nobody() -%}uuid '00000000-0000-0000-0000-000000000000'{%- endmacro -%}

{#- A key without the zeros that SAP pads it with: 0000001234 becomes 1234. -#}
{%- macro unpadded(column) -%}nullif(ltrim({{ column }}, '0'), ''){%- endmacro -%}

{#- The last day of the calendar: beyond it, what is known to come stands in no dimension. -#}
{%- macro calendar_end() -%}date '2035-12-31'{%- endmacro -%}

{#- Surrogate key of a dimension's version: its natural key and the day it is valid from. -#}
{%- macro version_key(natural_key, valid_from) -%}md5({{ natural_key }} || '|' || {{ valid_from }}){%- endmacro -%}

{#- Key of a service or benefit: the system whose catalogue it stands in, its name there and its paragraph. -#}
{%- macro service_key(system, name, paragraph) -%}
{{ system }} || ':' || {{ name }} || coalesce(' ' || {{ paragraph }}, '')
{%- endmacro -%}

{#- Days that a window [fra_dato, til_dato] and a period [startdato, slutdato] share; both ends count. A period that ends before it begins
    has none. -#}
{%- macro shared_days(window, period) -%}
greatest(least({{ window }}.til_dato, {{ period }}.slutdato) - greatest({{ window }}.fra_dato, {{ period }}.startdato) + 1, 0)
{%- endmacro -%}

{#- The vault's row with the name that the person goes by for one purpose. It is keyed there: no key comes near dbt. -#}
{%- macro pseudonym_of(purpose, person_id, alias='navn') -%}
inner join {{ source('vault', 'pseudonyms') }} as {{ alias }}
    on
        {{ alias }}.person_id = {{ person_id }}
        and {{ alias }}.purpose = '{{ purpose }}'
{%- endmacro -%}

{#- Joins a slowly changing dimension as it was on the day of the event. Versions of one member never overlap, so no row doubles. -#}
{%- macro join_as_of(dimension, alias, natural_key, event_key, event_date) -%}
left join {{ ref(dimension) }} as {{ alias }}
    on
        {{ alias }}.{{ natural_key }} = {{ event_key }}
        and {{ event_date }} between {{ alias }}.gyldig_fra and {{ alias }}.gyldig_til
{%- endmacro -%}

{#- Joins whose an EAN or P-number was on the day: the institution's, as `institution`, and the unit's, as `organisation`. -#}
{%- macro join_by_number(numbers, number, event_date) -%}
left join {{ ref('int_institution__efter_nummer') }} as institution
    on
        institution.nummersystem = '{{ numbers }}'
        and {{ number }} = institution.nummer
        and {{ event_date }} between institution.gyldig_fra and institution.gyldig_til
left join {{ ref('int_enhed__efter_nummer') }} as organisation
    on organisation.nummersystem = '{{ numbers }}' and {{ number }} = organisation.nummer
{%- endmacro -%}

{#- Whether a cell counts so few persons that it may not be shown. Nobody (0) tells of nobody. -#}
{%- macro is_small(count, threshold=5) -%}
coalesce({{ count }} > 0 and {{ count }} < {{ threshold }}, false)
{%- endmacro -%}

{#- `value`, or NULL where it rests on fewer than `threshold` persons; the floor is 3, Danmarks Statistik's own. -#}
{%- macro suppress(count, value, threshold=5) -%}
{%- if threshold < 3 %}{{ exceptions.raise_compiler_error("suppress: the threshold is " ~ threshold ~ ", below the floor of 3") }}{% endif -%}
case when not {{ is_small(count, threshold) }} then {{ value }} end
{%- endmacro -%}

{#-
    Whether a cell must be hidden in a set whose total is published: the small ones, and with them the smallest that is not small, or the
    total less what is shown would tell. Two, where the one would leave the least sum that is possible, and all of its size where one of
    those would be shown: who knows this rule would read the small cell from it. One row a cell, not grouped; `within` are the set's
    columns, `tie` decides between cells of the same size where the counts are not `published` themselves.

    `among` is whether those of whom these are a part are hidden themselves, `of` how many they are (columns): then the part is hidden too,
    be it nobody, for who knows the few would read from a 0, or from an empty cell, who of them has it. Where nobody in the whole set has
    it, that is shown, unless those who are hidden are too few together for a total (`hidden_total`).
-#}
{%- macro hidden_cell(count, within, tie, threshold=5, among='false', of='1', published=true) -%}
{%- set small = is_small(count, threshold) -%}
{%- set few = "(" ~ among ~ " or " ~ small ~ ")" -%}
{%- set nobody = "coalesce(" ~ count ~ ", 0) = 0" -%}
{%- set cells = "partition by " ~ within | join(", ") -%}
{%- set too_few = "coalesce(sum(" ~ of ~ ") filter (where " ~ among ~ ") over (" ~ cells ~ ") <= count(*) filter (where " ~ is_small(of, threshold) ~ ") over (" ~ cells ~ ") + " ~ threshold ~ ", false)" -%}
{%- set few_first = cells ~ " order by not " ~ few ~ ", not " ~ few ~ " and " ~ nobody ~ ", " ~ count -%}
{%- set below = "count(*) filter (where " ~ few ~ " and coalesce(" ~ count ~ ", 0) < " ~ threshold ~ ") over (" ~ cells ~ ")" -%}
coalesce(count(*) filter (where {{ few }}) over ({{ cells }}) > 0 and (sum({{ count }}) over ({{ cells }}) > 0 or {{ too_few }}) and (
    {{ few }}
    -- All that are as small as the smallest: shown, one of them would tell how small the other is.
    or ({{ count }} > 0 and rank() over ({{ few_first }}{{ ", " ~ tie if not published }}) <= {{ below }} + 1)
    -- Where the others are nobody, one of them hides that the one cell is somebody.
    or (
        bool_or({{ among }}) over ({{ cells }}) and count(*) filter (where {{ few }}) over ({{ cells }}) = 1
        and row_number() over ({{ few_first }}, {{ tie }}) <= {{ below }} + 1
    )
    or (
        {{ count }} > 0
        and sum({{ count }}) over ({{ few_first }}, {{ tie }} rows between unbounded preceding and 1 preceding)
        <= count(*) filter (where {{ small }} and not {{ among }}) over ({{ cells }}) + {{ threshold }}
    )
), false)
{%- endmacro -%}

{#- Whether a set's total must be hidden as well: it is small itself, or there were too few cells to hide the small ones among. An aggregate
    over the set's cells; `hidden` is what `hidden_cell` said of each, `total` the persons in the whole set, `among` as there. `whole` is
    whether the total of those they are a part of is hidden: then theirs is too, unless they are none. -#}
{%- macro hidden_total(count, hidden, total, threshold=5, among='false', whole='false') -%}
coalesce(
    {{ is_small(total, threshold) }}
    or ({{ whole }} and {{ total }} > 0)
    or (
        bool_or({{ hidden }})
        and coalesce(sum({{ count }}) filter (where {{ hidden }}), 0)
        <= count(*) filter (where {{ is_small(count, threshold) }} and not {{ among }}) + {{ threshold }}
    ),
    false
)
{%- endmacro -%}

{#- A moment in UTC (as landing logs them) as Danish clock time. -#}
{%- macro danish_time(column) -%}
{{ column }} at time zone 'UTC' at time zone 'Europe/Copenhagen'
{%- endmacro -%}

{#- The last day of a version: its own, or the day before the next of the same member begins, whichever is first. -#}
{%- macro ended_by_next(valid_to, valid_from, member) -%}
least(
    coalesce({{ valid_to }}, date '9999-12-31'),
    coalesce(lead({{ valid_from }}) over (partition by {{ member }} order by {{ valid_from }}) - 1, date '9999-12-31')
)::date
{%- endmacro -%}

{#- The first and the last day of which each register tells: from the first after which it tells of every quarter, until the last that has come.
    What somebody dated years back by a slip of the pen, or wrote in from before, stands alone behind a hole, and makes no time covered; a
    system that has stood still tells of nothing after its last day.
    Only models made of this alone ask for the date: those who read them are made when a register tells of more, not because a day has come. -#}
{%- macro coverage(register, relation, day, where='true') -%}
select
    register,
    max(dag) filter (where coalesce(dage_siden > 92, true)) as fra_dato,
    max(dag) as til_dato
from (
    select
        register,
        dag,
        dag - lag(dag) over (partition by register order by dag) as dage_siden
    from (
        select distinct
            {{ register }} as register,
            {{ day }} as dag
        from {{ relation }}
        where {{ day }} <= current_date and {{ where }}
    )
)
group by register
{%- endmacro -%}

{#- The columns `<name>_fra` and `<name>_til`: the first month (or year) and the last day of which a register tells, from its coverage. -#}
{%- macro covered(name, coverage, register, period='month') -%}
(select date_trunc('{{ period }}', fra_dato)::date from {{ coverage }} where register = '{{ register }}') as {{ name }}_fra,
(select til_dato from {{ coverage }} where register = '{{ register }}') as {{ name }}_til
{%- endmacro -%}

{#- The same of a relation's months, where they are worked out from what a register tells: the first and the last of those it covers. -#}
{%- macro months_covered(name, relation, month, coverage, register) -%}
(
    select min({{ month }})
    from {{ relation }}
    where {{ month }} >= (select date_trunc('month', daekning.fra_dato) from {{ coverage }} as daekning where daekning.register = '{{ register }}')
) as {{ name }}_fra,
(
    select max({{ month }})
    from {{ relation }}
    where {{ month }} <= (select daekning.til_dato from {{ coverage }} as daekning where daekning.register = '{{ register }}')
) as {{ name }}_til
{%- endmacro -%}

{#- A measure that is 0 where its system tells of nothing in a month that it covers (`covered`), and empty where it covers none: nobody knows.
    What stands there is shown in any case.
    Where cells have a total beside them, `among` is their set: one that stands there alone makes the others 0, for an empty one would be what
    is left of the total. -#}
{%- macro known(measure, month, covered, among=none) -%}
coalesce({{ measure }}, if({{ month }} between {{ covered }}_fra and {{ covered }}_til{% if among %} or count({{ measure }}) over (partition by {{ among }}) > 0{% endif %}, 0, null))
{%- endmacro -%}

{#- Key of an area: its kind and its code. -#}
{%- macro area_key(kind, code) -%}{{ kind }} || ':' || {{ code }}{%- endmacro -%}

{#- The municipality's own CVR number. -#}
{%- macro own_cvr() -%}'29188459'{%- endmacro -%}

{#- The municipality's own code, four digits: where somebody lives here, and who acts and pays. -#}
{%- macro own_municipality() -%}'0306'{%- endmacro -%}

{#- CTEs that end in `perioder`: one row (member, nummersystem, nummer, gyldig_fra, gyldig_til) a spell in which a member has the same
    number in a system; versions of the member that do not change it are one. `rows` has the member, its validity and `fundet`, a struct
    of system and nummer. -#}
{%- macro number_spells(rows, member) -%}
skift as (
    select
        {{ member }},
        fundet['system'] as nummersystem,
        fundet['nummer'] as nummer,
        gyldig_fra,
        gyldig_til,
        coalesce(
            lag(gyldig_til) over foer <> gyldig_fra - 1 or lag(fundet['nummer']) over foer <> fundet['nummer'],
            true
        )::integer as nyt
    from {{ rows }}
    where fundet['nummer'] is not null
    window foer as (partition by {{ member }}, fundet['system'] order by gyldig_fra)
),

talte as (
    select
        *,
        sum(nyt) over (partition by {{ member }}, nummersystem order by gyldig_fra) as periode
    from skift
),

perioder as (
    select
        {{ member }},
        nummersystem,
        nummer,
        min(gyldig_fra) as gyldig_fra,
        max(gyldig_til) as gyldig_til
    from talte
    group by {{ member }}, nummersystem, nummer, periode
)
{%- endmacro -%}

{#-
    Who is employed in a unit at any time of a month, put together by the aggregate `persons`: `count`, or `list`, of which a centre's are made.
    Reads the CTE `maaneder` (`maaned`, `sidste_dag`). Who is not known is one person.
-#}
{%- macro employed(persons) -%}
select
    maaneder.maaned,
    medarbejder.enhed_id,
    {{ persons }}(distinct coalesce(medarbejder.person_id, {{ nobody() }})) as ansatte
from maaneder
inner join {{ ref('dim_medarbejder') }} as medarbejder
    on maaneder.sidste_dag >= medarbejder.gyldig_fra and maaneder.maaned <= medarbejder.gyldig_til
where medarbejder.medarbejder_noegle <> {{ unknown_key() }}
group by maaneder.maaned, medarbejder.enhed_id
{%- endmacro -%}

{#- By table, when it was last loaded well (UTC), and what its newest load came to. -#}
{%- macro newest_loads() -%}
select
    system_id,
    table_name,
    max(started_at) filter (where status in ('loaded', 'unchanged')) as sidst_ok,
    arg_max(status, started_at) as seneste_status,
    arg_max(table_rows, started_at) as raekker
from {{ source('platform', 'loads') }}
group by system_id, table_name
{%- endmacro -%}

{#- By system, the lines that could not be read as a row: they never reached the raw table, and belong to the whole all the same. -#}
{%- macro unreadable_lines() -%}
select
    system_id,
    count(distinct concat_ws('|', table_name, load_id, source_ref, source_row)) as raekker
from {{ source('platform', 'rejects') }}
group by system_id
{%- endmacro -%}
