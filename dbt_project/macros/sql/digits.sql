{#-
    SQL for all that could be a CPR number in a table, or in the `rows` of its columns: nine or ten digits, dash or not, in no matter which
    column; empty where no column could hold one.
-#}
{%- macro digits_in(relation, rows=none) -%}
{%- set texts = [] -%}
{#- The load's id is landing's own: ten digits in every row, and from no source. -#}
{%- for column in adapter.get_columns_in_relation(relation) if column.name != '_dlt_load_id' -%}
{%- set kind = column.dtype | upper -%}
{%- if kind in ('TINYINT', 'SMALLINT', 'BOOLEAN', 'UUID', 'DATE', 'TIME') or kind.startswith('TIMESTAMP') or kind.startswith('INTERVAL') -%}
{#- Of numbers only those with nine digits or more are written out. -#}
{%- elif kind.endswith('INT') or kind in ('INTEGER', 'UINTEGER', 'DOUBLE', 'FLOAT') or (kind.startswith('DECIMAL') and not kind.endswith('[]')) -%}
{%- set few = '"' ~ column.name ~ '" between -99999999 and 99999999' -%}
{#- An amount with øre is none: 660,000 numbers would meet one by chance in every few thousand large amounts. -#}
{%- set whole = '' if kind.endswith('INT') or kind.endswith('INTEGER') else ' and "' ~ column.name ~ '" = trunc("' ~ column.name ~ '")' -%}
{%- do texts.append('case when not (' ~ few ~ ')' ~ whole ~ ' then cast("' ~ column.name ~ '" as varchar) end') -%}
{%- else -%}
{%- do texts.append('cast("' ~ column.name ~ '" as varchar)') -%}
{%- endif -%}
{%- endfor -%}
{%- if texts -%}
select lpad(regexp_replace(found, '[- ]', ''), 10, '0') as digits from (select unnest(regexp_extract_all(concat_ws(' | ', {{ texts | join(', ') }}), '\b\d{5,6}[- ]?\d{4}\b')) as found from {{ rows or relation }})
{%- endif -%}
{%- endmacro -%}

{#- Writes down what could be a CPR number in a table or view, in the transaction in which it is made, so that nobody has to read it again to
    look for one. A view is made anew with what it reads. Of a table that was mended the new rows are read; what has gone stays noted until it
    is made whole, unless a number turned out to be somebody's: then the table is read. A post-hook of all models and seeds. -#}
{%- macro note_digits(relation) -%}
{%- if execute -%}
{%- set name = "'" ~ relation.schema ~ "." ~ relation.identifier ~ "'" -%}
{%- set noted = "select unnest(digits) as digits from main.digits where model_name = " ~ name -%}
{%- set mended = config.get('mend') and not run_query("select 1 from (" ~ noted ~ ") where digits in (select cpr from " ~ source('vault', 'person_keys') ~ ") limit 1") -%}
{%- set found = digits_in(relation, news_of(relation) if mended) or "select null as digits where false" -%}
insert or replace into main.digits
select {{ name }}, coalesce(list(distinct digits), [])
from ({{ found }}{% if mended %} union all {{ noted }}{% endif %})
{%- if mended %} having exists (select 1 from main.digits where model_name = {{ name }}){% endif %}
{%- endif -%}
{%- endmacro -%}
