{#-
    SQL for all that could be a CPR number in a table: nine or ten digits, dash or not, in no matter which column; NULL where no column could
    hold one.
-#}
{%- macro digits_in(relation) -%}
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
{{ return("select lpad(regexp_replace(found, '[- ]', ''), 10, '0') as digits from (select unnest(regexp_extract_all(concat_ws(' | ', "
    ~ texts | join(', ') ~ "), '\\b\\d{5,6}[- ]?\\d{4}\\b')) as found from " ~ relation ~ ")") }}
{%- endif -%}
{{ return(none) }}
{%- endmacro -%}

{#- Writes down what could be a CPR number in a table or view, in the transaction in which it is made, so that nobody has to read it again to
    look for one. A view is made anew with what it reads. A post-hook of all models and seeds. -#}
{%- macro note_digits(relation) -%}
{%- if execute -%}
insert or replace into main.digits
select '{{ relation.schema }}.{{ relation.identifier }}', coalesce((select list(distinct digits) from ({{ digits_in(relation) or "select null as digits where false" }})), [])
{%- endif -%}
{%- endmacro -%}
