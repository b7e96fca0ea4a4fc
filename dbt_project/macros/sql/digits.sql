{#-
    CPR numbers in text. `ingestion/cpr.py` says what these patterns are for, and which of them is asked where; it has the same ones, and
    `tests/unit/test_cpr.py` sees to it that it does.
-#}
{%- macro cpr_separator() -%}(?:%[0-9A-Fa-f]{2}|[^0-9A-Za-z]){0,3}{%- endmacro -%}
{%- macro could_be_cpr() -%}(?:[0-9]{5,6}|[0-9]{1,2}[ ./-][0-9]{2}[ ./-][0-9]{2}){{ cpr_separator() }}[0-9]{4}{%- endmacro -%}
{%- macro reads_as_cpr() -%}[0-36-9]?[0-9][ ./-]?(?:0[1-9]|1[0-2])[ ./-]?[0-9]{2}{{ cpr_separator() }}[0-9]{4}{%- endmacro -%}
{%- macro hash_or_uuid() -%}\b(?:[0-9a-f]{24}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b{%- endmacro -%}

{#- The digits of a number that one of these patterns has found. -#}
{%- macro digits_alone(found) -%}
regexp_replace({{ found }}, '%[0-9A-Fa-f]{2}|[^0-9]', '', 'g')
{%- endmacro -%}

{#- What may stand beside the digits where hashes are not cut out first: the end of the word, or letters of which one is in no hash. -#}
{%- macro edge_before_digits() -%}(?:\b|[g-zA-Z_][a-f]{0,9}){%- endmacro -%}
{%- macro edge_after_digits() -%}(?:\b|[a-f]{0,9}[g-zA-Z_]){%- endmacro -%}

{#- SQL for all that could be a CPR number in one column of text: `digits` are its nine or ten digits as they stand there. -#}
{%- macro written_numbers(text, relation) -%}
select digits
from (
    select {{ digits_alone("unnest(regexp_extract_all(regexp_replace(" ~ text ~ ", '" ~ hash_or_uuid() ~ "', ' ', 'g'), '(?:^|[^0-9])(" ~ could_be_cpr() ~ "[0-9]*)', 1))") }} as digits
    from {{ relation }}
)
where length(digits) in (9, 10)
{%- endmacro -%}

{#- A value that may be shown, but for a CPR number in it: where a line's fields have slipped, any column may hold one. Twice, since what
    stands between two numbers is taken with the first, and the second has then nothing before it. -#}
{%- macro without_cpr(value) -%}
{%- set mask = "'(^|[^0-9])" ~ reads_as_cpr() ~ "([^0-9]|$)', '\\1######-####\\2', 'g'" -%}
regexp_replace(regexp_replace({{ value }}, {{ mask }}), {{ mask }})
{%- endmacro -%}

{#-
    SQL for all that could be a CPR number in a table, or in the `rows` of its columns, in no matter which column; empty where no column could
    hold one.
-#}
{%- macro digits_in(relation, rows=none) -%}
{%- set texts = [] -%}
{#- The load's id is landing's own: ten digits in every row, and from no source. It counts seconds: in 2027 it looks like a CPR number. -#}
{%- for column in adapter.get_columns_in_relation(relation) if column.name not in ('_dlt_load_id', 'load_id') -%}
{%- set kind = column.dtype | upper -%}
{%- if kind in ('TINYINT', 'SMALLINT', 'BOOLEAN', 'UUID', 'DATE', 'TIME') or kind.startswith('TIMESTAMP') or kind.startswith('INTERVAL') -%}
{#- Of numbers only those with nine or ten digits before the point are written out. -#}
{%- elif kind.endswith('INT') or kind in ('INTEGER', 'UINTEGER', 'DOUBLE', 'FLOAT') or (kind.startswith('DECIMAL') and not kind.endswith('[]')) -%}
{%- set name = '"' ~ column.name ~ '"' -%}
{%- set long = '(' ~ name ~ ' between 100000000 and 9999999999 or ' ~ name ~ ' between -9999999999 and -100000000)' -%}
{#- An amount with øre is none: 660,000 numbers would meet one by chance in every few thousand large amounts. -#}
{%- set whole = '' if kind.endswith('INT') or kind.endswith('INTEGER') else ' and ' ~ name ~ ' = trunc(' ~ name ~ ')' -%}
{%- do texts.append('case when ' ~ long ~ whole ~ ' then cast(' ~ name ~ ' as varchar) end') -%}
{%- elif column.name in ('p_nummer', 'nummer') -%}
{#- The latter in crosswalks: one of several number systems. -#}
{%- do texts.append('case when not ' ~ like_p_nummer(column.name) ~ ' then cast("' ~ column.name ~ '" as varchar) end') -%}
{%- else -%}
{%- do texts.append('cast("' ~ column.name ~ '" as varchar)') -%}
{%- endif -%}
{%- endfor -%}
{%- if texts -%}
{%- set found = edge_before_digits() ~ could_be_cpr() ~ '(?:[A-Za-z_]+' ~ could_be_cpr() ~ ')*' ~ edge_after_digits() -%}
{#- Column by column: of a text that many rows share, as keys are, DuckDB looks at each once. All in one text took twelve times the time. -#}
select lpad({{ digits_alone('number') }}, 10, '0') as digits
from (
    select unnest(regexp_extract_all(found, '{{ could_be_cpr() }}')) as number
    from (
        select unnest(list_concat({% for text in texts %}regexp_extract_all({{ text }}, '{{ found }}'){% if not loop.last %}, {% endif %}{% endfor %})) as found
        from {{ rows or relation }}
    )
)
{%- endif -%}
{%- endmacro -%}

{#- P-numbers begin with 10, as the CPR numbers of all do who were born on the tenth: in a city some are the same. A column of CPR numbers would
    have others too. -#}
{%- macro like_p_nummer(column) -%}
regexp_full_match(cast("{{ column }}" as varchar), '10\d{8}')
{%- endmacro -%}

{#- Writes down what could be a CPR number in a table or view, in the transaction in which it is made, so that nobody has to read it again to
    look for one. A view is made anew with what it reads. Of a table that was mended only the new rows are read: what stood in rows that went
    stays noted until the table is made whole, unless it turns out to be somebody's number. Then the whole table is read. A post-hook of all
    models and seeds. -#}
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
