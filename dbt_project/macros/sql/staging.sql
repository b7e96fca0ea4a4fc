{#
    What the generated models of models/staging and models/quality call, so that the rules stand here once and the generated files
    say only which columns there are. `columns` is a list of
        {'raw': name in the raw file, 'type': …, 'values': accepted values or absent, 'required': bool, 'masked': bool,
         'mended': values to be read as others, or absent}
#}

{#- The text of a column in which some values are read as others: `values` by the value as it stands, '' for none (seeds/vaerdirettelser.csv). -#}
{%- macro mended(column, values) -%}
case {{ clean(column) }}{% for before, after in values.items() %} when '{{ before | replace("'", "''") }}' then {% if after %}'{{ after | replace("'", "''") }}'{% else %}null{% endif %}{% endfor %} else cast({{ column }} as varchar) end
{%- endmacro -%}

{#- A column of the raw table as it is read. -#}
{%- macro read_value(column) -%}
{%- set raw = 'source."' ~ column.raw ~ '"' -%}
{%- if column.get('mended') -%}{{ mended(raw, column.mended) }}{%- else -%}{{ raw }}{%- endif -%}
{%- endmacro -%}

{#- The value, or NULL where it is none of the accepted ones. -#}
{%- macro accepted(column, type, values) -%}
case when {{ clean(column) }} in ({% for value in values %}'{{ value | replace("'", "''") }}'{% if not loop.last %}, {% endif %}{% endfor %}) then {{ converted(type, column) }} end
{%- endmacro -%}

{#- The vault's row for a column with CPR numbers: joined under the name by which `staged_value` asks for it. -#}
{%- macro person_of(raw) -%}
left join {{ source('vault', 'person_keys') }} as person_of_{{ raw }} on person_of_{{ raw }}.cpr = {{ to_cpr('source."' ~ raw ~ '"') }}
{%- endmacro -%}

{#- As staging holds it: converted, the person's id for a CPR number, NULL if not among the accepted values. -#}
{%- macro staged_value(column) -%}
{%- if column.type == 'cpr' -%}
person_of_{{ column.raw }}.person_id
{%- elif column.get('values') -%}
{{ accepted(read_value(column), column.type, column['values']) }}
{%- else -%}
{{ converted(column.type, read_value(column)) }}
{%- endif -%}
{%- endmacro -%}

{#- Why the column's value is not in staging, NULL if it is: 'mangler', 'kan ikke konverteres', 'ukendt værdi'. -#}
{%- macro fault(column) -%}
{%- set value = read_value(column) -%}
case
            {%- if column.required %}
            when {{ clean(value) }} is null then 'mangler'
            {%- endif %}
            {%- if column.type == 'cpr' %}
            when {{ clean(value) }} is not null and {{ staged_value(column) }} is null then 'kan ikke konverteres'
            {%- elif column.type != 'text' %}
            when {{ does_not_convert(column.type, value) }} then 'kan ikke konverteres'
            {%- endif %}
            {%- if column.get('values') %}
            when {{ clean(value) }} is not null and {{ staged_value(column) }} is null then 'ukendt værdi'
            {%- endif %}
            {%- if column.required %}
            when {{ staged_value(column) }} is null then 'mangler'
            {%- endif %}
        end
{%- endmacro -%}

{#-
    All that does not reach staging from the tables of one system: one row per value that does not convert, one per row that is dropped
    because a key or required value is missing, or because its key comes again (the row that was loaded last stays).
    `tables`: table name → {'key': raw names, 'columns': the columns that can fail}. Values are shown by their shape alone where the
    column is `masked`; `name` is what the column is called in staging, where it is there.

    Nearly every row is in staging with all its values, and nothing is asked of it but that: only suspects are converted again.
-#}
{%- macro quarantine_of(system, tables) -%}
{%- if not execute -%}
{#- While dbt parses, it only asks what is read: writing out all the SQL twice would double the time for 200 systems. -#}
{%- for table, spec in tables.items() -%}
{%- do source(system, table) -%}
{%- do ref('stg_' ~ system ~ '__' ~ table) -%}
{%- for column in spec.columns if column.type == 'cpr' -%}{%- do source('vault', 'person_keys') -%}{%- endfor -%}
{%- endfor -%}
{%- else -%}
{{ _quarantine_sql(system, tables) }}
{%- endif -%}
{%- endmacro -%}

{#- Of several rows with one key the last that came is the one that counts. Files that one load takes are read by name, so first the file
    tells which came last, and then the place in it. -#}
{%- macro latest_first() -%}
_dlt_load_id desc, _source_ref desc, _source_row desc
{%- endmacro -%}

{#- Whether `one` and `other` are the same row: no two rows have load, source and place in common. The equality is plain on purpose. A row
    without a place equals none, not even itself, so it is converted each time; with `is not distinct from` it would equal itself, but
    all rows would take four times the time. So would `not exists` in a step of its own: DuckDB makes such a comparison of it. -#}
{%- macro same_row(one, other) -%}
{{ one }}._source_row = {{ other }}._source_row
        and {{ one }}._dlt_load_id = {{ other }}._dlt_load_id
        and {{ one }}._source_ref = {{ other }}._source_ref
{%- endmacro -%}

{#-
    The rows of a raw table that a staging model converts: all of them or, where `orchestration/plan.py` says that the table can be mended,
    those that are not in it. These are the rows that came since, and those that were left out: one of them may come in now that another went.
-#}
{%- macro rows_of(system, table) -%}
{{ lacking_of(this) if config.get('mend') else source(system, table) }}
{%- endmacro -%}

{#- How many values each of the columns has: n_1, n_2 and so on. `name` says by which of its names a column is called: 'raw' or 'name'. -#}
{%- macro values_of(columns, name) -%}
{% for column in columns %}count("{{ column[name] }}") as n_{{ loop.index }}{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro -%}

{#- The rows of raw that may have a fault: those that are not in staging, those that are there and share a key with one of these, and those of
    which staging lacks a value. To find the last, values are counted first, column by column: where staging has as many as the same rows of
    raw, it lacks none. So nearly all rows are out of the question before a row is held against another. -#}
{%- macro suspects_of(system, table, spec, key_columns) -%}
{%- set raw = source(system, table) -%}
{%- set staged = ref('stg_' ~ system ~ '__' ~ table) -%}
{%- set optional = [] -%}
{%- for column in spec.columns if column.get('name') and not column.required -%}{%- do optional.append(column) -%}{%- endfor %}
{{ table }}_lacking as materialized (
    select source.*
    from {{ raw }} as source
    anti join {{ staged }} as staged
        on
        {{ same_row('source', 'staged') }}
),

{%- if optional %}
{{ table }}_missed as (
    select
        {%- for column in optional %}
        came.n_{{ loop.index }} - lacking.n_{{ loop.index }} <> staged.n_{{ loop.index }} as in_{{ loop.index }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    from (select {{ values_of(optional, 'raw') }} from {{ raw }}) as came
    cross join (select {{ values_of(optional, 'raw') }} from {{ table }}_lacking) as lacking
    cross join (select {{ values_of(optional, 'name') }} from {{ staged }} where _source_row is not null) as staged
),
{%- endif %}

{{ table }}_suspects as (
    select * from {{ table }}_lacking
    union all
    select source.*
    from (
        select
            staged.*,
            ({% for column in key_columns %}staged.{{ column.name }}{% if not loop.last %}, {% endif %}{% endfor %}) in (
                select ({% for column in key_columns %}{{ staged_value(column) }}{% if not loop.last %}, {% endif %}{% endfor %})
                from {{ table }}_lacking as source
                {%- for column in key_columns if column.type == 'cpr' %}
                {{ person_of(column.raw) }}
                {%- endfor %}
            ) as shares_key
        from {{ staged }} as staged
        {%- if optional %}
        cross join {{ table }}_missed as missed
        {%- endif %}
        where
            shares_key
            {%- for column in optional %}
            or (missed.in_{{ loop.index }} and staged.{{ column.name }} is null)
            {%- endfor %}
    ) as staged
    inner join {{ raw }} as source
        on
        {{ same_row('source', 'staged') }}
    where
        staged.shares_key
        {%- for column in optional %}
        or (staged.{{ column.name }} is null and source."{{ column.raw }}" is not null)
        {%- endfor %}
),
{%- endmacro -%}

{%- macro _quarantine_sql(system, tables) -%}
with
{% for table, spec in tables.items() %}
{%- set key_columns = [] -%}
{%- for name in spec.key -%}
{%- for column in spec.columns if column.raw == name -%}{%- do key_columns.append(column) -%}{%- endfor -%}
{%- endfor %}
{#- A key that names a person outright is not in staging: there every row is a suspect. -#}
{%- set known = key_columns | selectattr('name', 'defined') | list | length == key_columns | length %}
{%- if known %}
{{ suspects_of(system, table, spec, key_columns) }}
{%- endif %}

{{ table }}_checked as (
    select
        source._dlt_load_id,
        source._source_ref,
        source._source_row,
        {%- for column in spec.columns %}
        cast(source."{{ column.raw }}" as varchar) as raw_{{ loop.index }},
        {{ fault(column) }} as fault_{{ loop.index }},
        {%- endfor %}
        {%- for column in key_columns %}
        {{ staged_value(column) }} as key_{{ loop.index }},
        {%- endfor %}
        hash({% for name in spec.compared %}source."{{ name }}"{% if not loop.last %}, {% endif %}{% endfor %}) as fingerprint
    from {% if known %}{{ table }}_suspects{% else %}{{ source(system, table) }}{% endif %} as source
    {%- for column in spec.columns if column.type == 'cpr' %}
    {{ person_of(column.raw) }}
    {%- endfor %}
),

{{ table }}_ranked as (
    select
        *,
        {% for column in spec.columns if column.required %}fault_{{ spec.columns.index(column) + 1 }} is not null{% if not loop.last %} or {% endif %}{% endfor %} as incomplete,
        row_number() over latest as place,
        fingerprint = first_value(fingerprint) over latest as identical
    from {{ table }}_checked
    window latest as (
        partition by {% for column in spec.columns if column.required %}fault_{{ spec.columns.index(column) + 1 }} is null, {% endfor %}{% for column in key_columns %}key_{{ loop.index }}{% if not loop.last %}, {% endif %}{% endfor %}
        order by {{ latest_first() }}
    )
),

{{ table }}_faults as (
    select
        '{{ table }}' as table_name,
        incomplete or place > 1 as row_dropped,
        [{% for column in key_columns %}{{ 'null' if column.masked else without_cpr('raw_' ~ (spec.columns.index(column) + 1)) }}{% if not loop.last %}, {% endif %}{% endfor %}]::varchar[] as row_key,
        _dlt_load_id as load_id,
        _source_ref as source_ref,
        _source_row as source_row,
        unnest([
            {%- for column in spec.columns %}
            {
                'column_name': '{{ column.raw }}',
                'raw_value': {{ shape('raw_' ~ loop.index) if column.masked else 'raw_' ~ loop.index }},
                'reason': fault_{{ loop.index }}
            },
            {%- endfor %}
            {
                'column_name': '{{ spec.key | join(", ") }}',
                'raw_value': concat_ws(' | '{% for column in key_columns %}, {% set raw = 'raw_' ~ (spec.columns.index(column) + 1) %}{{ shape(raw) if column.masked else raw }}{% endfor %}),
                'reason': case when not incomplete and place > 1 then if(identical, 'dubleret række', 'dubleret nøgle') end
            }
        ]) as found
    from {{ table }}_ranked
    where incomplete or place > 1{% for column in spec.columns if not column.required %} or fault_{{ spec.columns.index(column) + 1 }} is not null{% endfor %}
){% if not loop.last %},{% endif %}
{% endfor %}
{% for table in tables %}
select
    '{{ system }}' as system_id,
    table_name,
    found.column_name as column_name,
    {{ without_cpr('found.raw_value') }} as raw_value,
    found.reason as reason,
    row_key,
    row_dropped,
    load_id,
    source_ref,
    source_row
from {{ table }}_faults
where found.reason is not null
{% if not loop.last %}
union all
{% endif %}
{%- endfor %}
{%- endmacro -%}
