{#
    The project's own generic tests (dbt packages come from hosts a closed network does not reach). Each is one query over the whole
    bundle, since a test costs about 25 ms whatever it asks. What each fails on, and who mends it, stands in dbt_project/README.md.
#}

{#- The columns are filled and together unique: rows that break it, with how often. Logic: a developer mends it. -#}
{% test unique_key(model, columns) %}
select
    {{ columns | join(', ') }},
    count(*) as times
from {{ model }}
where
    -- One number groups in half the time of several texts.
    hash({{ columns | join(', ') }}) in (select hash({{ columns | join(', ') }}) from {{ model }} group by 1 having count(*) > 1)
    {% for column in columns %}or {{ column }} is null {% endfor %}
group by all
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}

{#- At least `at_least` (0 to 1) of the rows have the column. Source data: the department mends it. -#}
{% test not_null_share(model, column_name, at_least) %}
{{ config(severity='warn') }}
select avg(case when {{ column_name }} is null then 0 else 1 end) as share
from {{ model }}
having share < {{ at_least }}
{% endtest %}

{#- No value outside the list; its Danish labels stand beside the codes. -#}
{% test accepted_codes(model, column_name, labels) %}
select
    {{ column_name }},
    count(*) as times
from {{ model }}
where {{ column_name }} not in ({% for code in labels %}'{{ code }}'{% if not loop.last %}, {% endif %}{% endfor %})
group by all
{% endtest %}

{#-
    Every key of a fact or mart stands in its dimension; where the source says nothing it points at the unknown member (-1), never at
    NULL. `keys`: column → 'model.column'. One query for all of them. Logic: a developer mends it.
-#}
{% test members(model, keys) %}
{% for column, target in keys.items() %}
select
    '{{ column }}' as column_name,
    cast(fact.{{ column }} as varchar) as value,
    count(*) as times
from {{ model }} as fact
left join (select distinct {{ target.split('.')[1] }} as member from {{ ref(target.split('.')[0]) }}) as dimension
    on fact.{{ column }} = dimension.member
where dimension.member is null
group by all
{% if not loop.last %}union all{% endif %}
{% endfor %}
{% endtest %}

{#- At most `at_most` (0 to 1) of the rows point at the unknown member. Source data: the department mends it. -#}
{% test unknown_share(model, column_name, at_most, unknown='-1') %}
{{ config(severity='warn') }}
select avg(case when cast({{ column_name }} as varchar) = '{{ unknown }}' then 1 else 0 end) as share
from {{ model }}
having share > {{ at_most }}
{% endtest %}

{#- No two validity intervals [gyldig_fra, gyldig_til] of one member overlap. Logic: a developer mends it. -#}
{% test intervals_apart(model, member, valid_from='gyldig_fra', valid_to='gyldig_til') %}
select *
from (
    select
        {{ member }},
        {{ valid_from }},
        {{ valid_to }},
        lead({{ valid_from }}) over (partition by {{ member }} order by {{ valid_from }}) as next_from
    from {{ model }}
)
where {{ valid_to }} < {{ valid_from }} or next_from <= {{ valid_to }}
{% endtest %}

{#-
    Each member's intervals follow each other day by day: between two of them nobody knows what held, and facts of those days point at
    the unknown member. Source data: the department mends it.
-#}
{% test intervals_meet(model, member, valid_from='gyldig_fra', valid_to='gyldig_til') %}
{{ config(severity='warn') }}
select *
from (
    select
        {{ member }},
        {{ valid_to }} as last_day,
        lead({{ valid_from }}) over (partition by {{ member }} order by {{ valid_from }}) as next_from
    from {{ model }}
)
where next_from > last_day + 1
{% endtest %}

{#-
    A measure sums to what staging holds of it, joined or not: no fact loses rows or doubles them by a join. `totals`: column →
    'model.column'. Logic: a developer mends it.
-#}
{% test totals_agree(model, totals) %}
{% for column, held in totals.items() %}
select
    '{{ column }}' as measure,
    (select sum({{ column }}) from {{ model }}) as found,
    (select sum({{ held.split('.')[1] }}) from {{ ref(held.split('.')[0]) }}) as held
where found is distinct from held
{% if not loop.last %}union all{% endif %}
{% endfor %}
{% endtest %}

{#- Nothing is lost on the way: raw rows = staging rows + rows that the quarantine says were dropped, table by table. Logic. -#}
{% test rows_reconcile(model, system, tables) %}
{% for table in tables %}
select
    '{{ table }}' as table_name,
    (select count(*) from {{ source(system, table) }}) as raw_rows,
    (select count(*) from {{ ref('stg_' ~ system ~ '__' ~ table) }}) as staging_rows,
    (
        select count(distinct (load_id, source_ref, source_row))
        from {{ model }}
        where table_name = '{{ table }}' and row_dropped
    ) as dropped_rows
where raw_rows <> staging_rows + dropped_rows
{% if not loop.last %}union all{% endif %}
{% endfor %}
{% endtest %}

{#- The register's expected row range, for all tables of a system. Source data: a warning here; landing fails the table's own check. -#}
{% test rows_in_range(model, system, tables) %}
{{ config(severity='warn') }}
{% for table, range in tables.items() %}
select
    '{{ table }}' as table_name,
    count(*) as staging_rows
from {{ ref('stg_' ~ system ~ '__' ~ table) }}
having count(*) < {{ range.min }}{% if range.max %} or count(*) > {{ range.max }}{% endif %}
{% if not loop.last %}union all{% endif %}
{% endfor %}
{% endtest %}

{#-
    No text column holds ten digits that begin with a date, as a CPR number does or a replacement number (day + 60), however they are written.
    `numbers` names columns of other ten-digit numbers (P-numbers, pseudonyms), some of which read as one: they are held up against the vault
    instead. Protection of persons: whoever wrote the model mends it.
-#}
{% test no_cpr(model, numbers=[]) %}
{%- set texts = [] -%}
{%- if execute -%}
{%- for column in adapter.get_columns_in_relation(model) if column.dtype | upper == 'VARCHAR' -%}{%- do texts.append(column.name) -%}{%- endfor -%}
{%- endif -%}
{% for text in texts %}
select
    '{{ text }}' as column_name,
    count(*) as times
{%- if text in numbers %}
from {{ model }}
where "{{ text }}" in (select keys.cpr from {{ source('vault', 'person_keys') }} as keys)
    {%- if text == 'p_nummer' %} and not {{ like_p_nummer(text) }}{% endif %}
{%- else %}
from ({{ written_numbers('"' ~ text ~ '"', model) }})
where regexp_full_match(digits, '(0[1-9]|[12][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])(0[1-9]|1[0-2])[0-9]{6}')
{%- endif %}
having count(*) > 0
{% if not loop.last %}union all{% endif %}
{% else %}
select 1 as times where false
{% endfor %}
{% endtest %}

{#-
    No model or seed at all holds a CPR number that the vault knows: in no text, in no number, in no list; one statement a model.
    Numbers of other kinds that merely look like one do not count. Protection of persons: whoever wrote the model mends it.
    It asks dbt's graph which models there are, so `orchestration/plan.py` runs it again whenever one of them was made. What stands in
    each was written down when it was made (`note_digits`): read are those with a number that is somebody's, and those without a note.
-#}
{% test in_no_model(model) %}
{%- set looked = [] -%}
{%- if execute -%}
{%- set clear = [] -%}
{%- set somebodys = "select model_name from (select model_name, unnest(digits) as one from main.digits) where one in (select cpr from " ~ model ~ ")" -%}
{%- for row in run_query("select model_name from main.digits where model_name not in (" ~ somebodys ~ ")") -%}{%- do clear.append(row[0]) -%}{%- endfor -%}
{%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed', 'snapshot') and node.config.materialized != 'ephemeral' -%}
{%- if node.schema ~ '.' ~ node.alias not in clear -%}
{%- set relation = adapter.get_relation(node.database, node.schema, node.alias) -%}
{%- set digits = digits_in(relation) if relation else none -%}
{%- if digits -%}{%- do looked.append({'relation': relation, 'digits': digits}) -%}{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{% for look in looked %}
select
    '{{ look.relation.schema }}.{{ look.relation.identifier }}' as model_name,
    count(*) as times
from ({{ look.digits }})
where digits in (select keys.cpr from {{ model }} as keys)
having count(*) > 0
{% if not loop.last %}union all{% endif %}
{% else %}
select 1 as times where false
{% endfor %}
{% endtest %}

{#-
    No hidden cell can be worked out from what is published: in each set (`within`) the total less the cells that are shown must leave two
    unknowns at least. `total` tells the row of the total from those of its cells. Of `counts`, of which a hidden cell holds at least one,
    what is left must also be more than the least that can be: one for each small cell and the threshold for the one hidden beside them.
    `parts` (column → column) says of whom a count or sum is a part: where those are hidden it is too, be it none, unless the whole set has none.
    Nor is a count of fewer persons than the threshold shown: of `counts`, and of `persons`, which a total counts once and its cells twice.
    Rows where `no_persons` holds count something else.
    Protection of persons: whoever wrote the model mends it, before anything is published.
-#}
{% test not_recoverable(model, within, total, measures, counts=[], threshold=5, parts={}, persons=[], no_persons='false') %}
{% for count in counts + persons %}
select
    '{{ count }}' as measure,
    md5(concat_ws('|', {{ within | join(', ') }})) as cells,
    0 as hidden,
    null as published_total,
    null as remainder
from {{ model }}
where {{ count }} > 0 and {{ count }} < {{ threshold }} and not ({{ no_persons }})
union all
{% endfor %}
{% for measure in measures + counts %}
select
    '{{ measure }}' as measure,
    md5(concat_ws('|', {{ within | join(', ') }})) as cells,
    count(*) filter (where not ({{ total }}) and {{ measure }} is null) as hidden,
    max({{ measure }}) filter (where {{ total }}) as published_total,
    published_total - coalesce(sum({{ measure }}) filter (where not ({{ total }})), 0) as remainder
from {{ model }}
group by {{ within | join(', ') }}
having
    -- One unknown in the equation: a cell, or the total itself.
    (hidden = 1 and published_total is not null)
    or (hidden = 0 and published_total is null and bool_or({{ total }}))
    {%- if measure in parts %}
    or (published_total is distinct from 0 and bool_or({{ parts[measure] }} is null and {{ measure }} is not null))
    {%- endif %}
    {%- if measure in counts %}
    -- A hidden part of hidden persons may be nobody.
    or (hidden > 1 and remainder <= greatest(hidden{% if measure in parts %} - count(*) filter (where not ({{ total }}) and {{ measure }} is null and {{ parts[measure] }} is null){% endif %} - 1, 0) + {{ threshold }})
    {%- endif %}
{% if not loop.last %}union all{% endif %}
{% endfor %}
{% endtest %}
