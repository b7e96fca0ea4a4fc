{#
    One macro per column type of ingestion/vocabulary/types.yml: `to_<type>(column)` gives an expression of the type's `sql`, NULL where
    the value is empty, says "no date", or does not convert. `does_not_convert(type, column)` tells the last of the three from the first
    two, for the quarantine. Every column may have any type (from SQL sources values come typed): each macro starts from the text.

    tests/unit/test_conversions.py runs every macro over the cases in tests/unit/conversions.yml. The macros are plain Jinja, without
    anything of dbt's, so that this test and sqlfluff need no database and no project.
#}

{#-
    The value as text, without blanks, no-break spaces and byte-order marks around it; NULL if nothing is left. Looking whether there is
    anything to trim takes a quarter of the time of trimming.
-#}
{%- macro clean(column) -%}
{%- set text = "cast(" ~ column ~ " as varchar)" -%}
nullif(case when regexp_full_match({{ text }}, '[!-~](.*[!-~])?') then {{ text }} else trim({{ text }}, ' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(65279)) end, '')
{%- endmacro -%}

{#- As `clean`, and without blanks inside. -#}
{%- macro squeezed(column) -%}
replace(replace({{ clean(column) }}, chr(160), ''), ' ', '')
{%- endmacro -%}

{#- `then` where the whole of `value` matches `pattern`, else NULL. -#}
{%- macro where_matches(value, pattern, then) -%}
case when regexp_full_match({{ value }}, '{{ pattern }}') then {{ then }} end
{%- endmacro -%}


{# --- text and numbers ------------------------------------------------------------------------------------------------------- #}

{%- macro to_text(column) -%}
{{ clean(column) }}
{%- endmacro -%}

{#- 34, -7; Excel's 34.0 too. -#}
{%- macro to_integer(column) -%}
{{ where_matches(clean(column), '[+-]?\\d+(\\.0*)?', "try_cast(regexp_replace(" ~ clean(column) ~ ", '\\.0*$', '') as bigint)") }}
{%- endmacro -%}

{#- A decimal point, no thousands; beyond four decimals it rounds. -#}
{%- macro to_decimal(column) -%}
{{ where_matches(clean(column), '[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?', "try_cast(" ~ clean(column) ~ " as decimal(18, 4))") }}
{%- endmacro -%}

{#- The amount without currency, with one leading minus for what Danish writes as -5, 5-, (5) or with U+2212. -#}
{%- macro signed(column) -%}
regexp_replace(regexp_replace(regexp_replace(replace({{ squeezed(column) }}, chr(8722), '-'), '^(kr\.?|DKK)|(kr\.?|DKK|,-)$', '', 'gi'), '^\((.*)\)$', '-\1'), '^([^-].*)-$', '-\1')
{%- endmacro -%}

{#- A decimal comma, with or without points between thousands. 1234.56 is refused: it may be meant as either. -#}
{%- macro to_decimal_dk(column) -%}
{%- set pattern = '[+-]?(\\d{1,3}(\\.\\d{3})+|\\d*)(,\\d+)?' -%}
{%- set number = "try_cast(replace(replace(VALUE, '.', ''), ',', '.') as decimal(18, 4))" -%}
case
    -- Nearly all: nothing to take away first.
    when regexp_full_match({{ clean(column) }}, '{{ pattern }}') then {{ number | replace('VALUE', clean(column)) }}
    when regexp_full_match({{ signed(column) }}, '{{ pattern }}') then {{ number | replace('VALUE', signed(column)) }}
end
{%- endmacro -%}

{#- SAP writes by the user's profile: a comma, or two points, makes it Danish; a single point alone is a decimal point. -#}
{%- macro to_decimal_sap(column) -%}
case
    when regexp_full_match({{ clean(column) }}, '-?\d+\.\d+') then try_cast({{ clean(column) }} as decimal(18, 4))
    else coalesce(
        {{ to_decimal(signed(column)) }},
        case when not regexp_full_match({{ signed(column) }}, '-?\d+\.\d+') then {{ to_decimal_dk(column) }} end
    )
end
{%- endmacro -%}

{%- macro to_boolean(column) -%}
case lower({{ clean(column) }}) when 'true' then true when '1' then true when 'false' then false when '0' then false end
{%- endmacro -%}

{%- macro to_bool_dk(column) -%}
case
    when lower({{ clean(column) }}) in ('ja', 'j', 'x', 'sand', '1', 'true') then true
    when lower({{ clean(column) }}) in ('nej', 'n', 'falsk', '0', 'false') then false
end
{%- endmacro -%}


{# --- dates ------------------------------------------------------------------------------------------------------------------- #}
{# `read_<type>` reads what stands there; `to_<type>` then takes away the dates by which systems say "none": see `dated`. #}

{#- The day that stands there, whatever the offset (XML dates have one without a time too: 2026-01-31+01:00); of a moment in UTC the day it
    was in Denmark, where systems write a day's beginning as 22 or 23 o'clock of the day before. Nearly all are plain days: first. -#}
{%- macro iso_day(value) -%}
{%- set moment = "regexp_matches(" ~ value ~ ", '[T ].*([Zz]|[+-]00(:?00)?)$')" -%}
{{ where_matches(
    value, '\\d{4}-\\d{2}-\\d{2}([T ][^(]*|Z|[+-]\\d{2}:\\d{2})?',
    "case when length(" ~ value ~ ") = 10 then try_cast(" ~ value ~ " as date) when " ~ moment
    ~ " then (try_cast(" ~ value ~ " as timestamptz) at time zone 'Europe/Copenhagen')::date else try_cast(left(" ~ value ~ ", 10) as date) end"
) }}
{%- endmacro -%}

{%- macro read_date(column) -%}
{{ iso_day(clean(column)) }}
{%- endmacro -%}

{#- 31-01-2026, 31.01.2026 or 31/01/2026, a time after it or not; ISO too, as a spreadsheet gives a cell that holds a true date. -#}
{%- macro read_date_dk(column) -%}
coalesce(
    case when regexp_full_match({{ clean(column) }}, '\d{2}-\d{2}-\d{4}') then try_strptime({{ clean(column) }}, '%d-%m-%Y')::date end,
    try_strptime(regexp_extract({{ clean(column) }}, '^(\d{1,2})[-./](\d{1,2})[-./](\d{4})([T ].*)?$', ['d', 'm', 'y'])['y']
        || '-' || regexp_extract({{ clean(column) }}, '^(\d{1,2})[-./](\d{1,2})[-./](\d{4})([T ].*)?$', ['d', 'm', 'y'])['m']
        || '-' || regexp_extract({{ clean(column) }}, '^(\d{1,2})[-./](\d{1,2})[-./](\d{4})([T ].*)?$', ['d', 'm', 'y'])['d'], '%Y-%m-%d')::date,
    {{ iso_day(clean(column)) }}
)
{%- endmacro -%}

{%- macro read_date_sap(column) -%}
{{ where_matches(clean(column), '\\d{8}', "try_strptime(" ~ clean(column) ~ ", '%Y%m%d')::date") }}
{%- endmacro -%}

{#- Days since 1899-12-30; a fraction is a time of day; 0 and 1 (shown as 1900-01-00 and -01) are no date. ISO too, as the reader gives a cell that is formatted as a date. -#}
{%- macro read_excel_serial(column) -%}
coalesce(
    {{ where_matches(
        clean(column), '\\d{1,7}(\\.\\d+)?',
        "case when try_cast(" ~ clean(column) ~ " as double) < 2958466 then date '1899-12-30' + cast(greatest(floor(try_cast(" ~ clean(column) ~ " as double)), 2) as integer) end"
    ) }},
    {{ iso_day(clean(column)) }}
)
{%- endmacro -%}

{#- /Date(1767225600000)/ and /Date(1767225600000+0000)/, milliseconds since 1970 in UTC (the offset is for display); ISO, as V4 writes. Without
    an offset it is no moment but what a calendar and a clock show; with one its day is that in Denmark, as in `iso_day`. -#}
{%- macro odata_moment(column) -%}
{%- set milliseconds = "try_cast(nullif(regexp_extract(" ~ clean(column) ~ ", '^/Date\\((-?\\d+)([+-]\\d{4})?\\)/$', 1), '') as bigint)" -%}
{#- From the year 1 to the day after the year 9999: what is counted in other units is no date, and beyond some point ends the query. -#}
case when {{ milliseconds }} between -62135596800000 and 253402387199999 then epoch_ms({{ milliseconds }}) end
{%- endmacro -%}

{%- macro read_odata_timestamp(column) -%}
coalesce({{ odata_moment(column) }}, {{ read_timestamp(column) }})
{%- endmacro -%}

{%- macro read_odata_date(column) -%}
coalesce(
    case when regexp_full_match({{ clean(column) }}, '.*[+-]\d{4}\)/') then ({{ odata_moment(column) }} at time zone 'UTC' at time zone 'Europe/Copenhagen')::date end,
    {{ odata_moment(column) }}::date,
    {{ iso_day(clean(column)) }}
)
{%- endmacro -%}

{#- An offset or Z brings the time to UTC (a plain cast to timestamp would drop the offset); without one it stays as written. -#}
{%- macro read_timestamp(column) -%}
case
    when regexp_full_match({{ clean(column) }}, '\d{4}-\d{2}-\d{2}[T ][^(]*([Zz]|[+-]\d{2}(:?\d{2})?)') then make_timestamp(epoch_us(try_cast({{ clean(column) }} as timestamptz)))
    when regexp_full_match({{ clean(column) }}, '\d{4}-\d{2}-\d{2}([T ][^(]*)?') then try_cast({{ clean(column) }} as timestamp)
end
{%- endmacro -%}

{#- As `read_date_dk`, with a time. Not by `try_strptime` with a list of formats, which in DuckDB 1.5 now and then ends the process (SIGSEGV). -#}
{%- macro read_timestamp_dk(column) -%}
coalesce(
    {{ where_matches(
        clean(column), '\\d{1,2}[-./]\\d{1,2}[-./]\\d{4}( \\d{1,2}:\\d{2}(:\\d{2})?)?',
        "try_cast(regexp_replace(" ~ clean(column) ~ ", '^(\\d+)[-./](\\d+)[-./](\\d+)', '\\3-\\2-\\1') as timestamp)"
    ) }},
    {{ read_timestamp(column) }}
)
{%- endmacro -%}

{#- 2026W05, 2026-W05, 202605: the Monday of that week. 4 January is always in week 1; a week 53 that the year lacks is refused. -#}
{%- macro read_iso_week(column) -%}
{%- set year = "try_cast(regexp_extract(" ~ clean(column) ~ ", '^(\\d{4})-?W?(\\d{2})$', 1) as integer)" -%}
{%- set week = "try_cast(regexp_extract(" ~ clean(column) ~ ", '^(\\d{4})-?W?(\\d{2})$', 2) as integer)" -%}
{%- set monday = "(date_trunc('week', make_date(" ~ year ~ ", 1, 4)) + to_days(7 * (" ~ week ~ " - 1)))::date" -%}
case when {{ week }} >= 1 and isoyear({{ monday }}) = {{ year }} then {{ monday }} end
{%- endmacro -%}

{#- NULL for the dates that mean "no date": 0001-01-01 (.NET, an hour or two earlier with an offset), 1753-01-01 (SQL Server, DAR), 1899-12-30 (Access, Delphi), 1900-01-01, the
    year 9999 (SAP), infinity (PostgreSQL). -#}
{%- macro dated(value) -%}
case when year({{ value }}) between 1 and 9998 and cast({{ value }} as date) not in (date '0001-01-01', date '1753-01-01', date '1899-12-30', date '1900-01-01') then {{ value }} end
{%- endmacro -%}

{%- macro to_date(column) -%}{{ dated(read_date(column)) }}{%- endmacro -%}
{%- macro to_date_dk(column) -%}{{ dated(read_date_dk(column)) }}{%- endmacro -%}
{%- macro to_date_sap(column) -%}{{ dated(read_date_sap(column)) }}{%- endmacro -%}
{%- macro to_excel_serial(column) -%}{{ dated(read_excel_serial(column)) }}{%- endmacro -%}
{%- macro to_odata_date(column) -%}{{ dated(read_odata_date(column)) }}{%- endmacro -%}
{%- macro to_timestamp(column) -%}{{ dated(read_timestamp(column)) }}{%- endmacro -%}
{%- macro to_timestamp_dk(column) -%}{{ dated(read_timestamp_dk(column)) }}{%- endmacro -%}
{%- macro to_odata_timestamp(column) -%}{{ dated(read_odata_timestamp(column)) }}{%- endmacro -%}
{%- macro to_iso_week(column) -%}{{ dated(read_iso_week(column)) }}{%- endmacro -%}

{#- 2025/2026, 2025-2026 or 2025/26: the year in which it starts. -#}
{%- macro to_school_year(column) -%}
{%- set start = "try_cast(regexp_extract(" ~ squeezed(column) ~ ", '^(\\d{4})[-/](\\d{4}|\\d{2})$', 1) as integer)" -%}
{%- set finish = "try_cast(regexp_extract(" ~ squeezed(column) ~ ", '^(\\d{4})[-/](\\d{4}|\\d{2})$', 2) as integer)" -%}
case when {{ finish }} in ({{ start }} + 1, ({{ start }} + 1) % 100) then {{ start }} end
{%- endmacro -%}


{# --- identifiers ------------------------------------------------------------------------------------------------------------- #}

{#-
    Ten digits, written with or without dash and blanks; a number that lost its leading zero gets it back. The first six must be a date
    in the century that the seventh digit tells (cpr.dk). Replacement numbers add 60 to the day. Modulus 11 is not asked for: since
    October 2007 numbers are issued without it. What passes must be written as ingestion/vault.py writes it, since staging joins on it.
-#}
{%- macro to_cpr(column) -%}
{#- One pattern, since text that is taken apart, put together and cast to a date costs ten times as much: days of the long months, of the
    short ones, of February, and its 29th in leap years (of the years 00 only 2000 has one: the seventh digit is then 4 to 9). -#}
{%- set long = "(0?[1-9]|[12]\\d|3[01]|6[1-9]|[78]\\d|9[01])(0[13578]|1[02])\\d{2}-?\\d{4}" -%}
{%- set short = "(0?[1-9]|[12]\\d|30|6[1-9]|[78]\\d|90)(0[469]|11)\\d{2}-?\\d{4}" -%}
{%- set february = "(0?[1-9]|1\\d|2[0-8]|6[1-9]|7\\d|8[0-8])02\\d{2}-?\\d{4}" -%}
{%- set leap_day = "[28]902((0[48]|[2468][048]|[13579][26])-?\\d{4}|00-?[4-9]\\d{3})" -%}
case
    when regexp_full_match({{ squeezed(column) }}, '({{ long }}|{{ short }}|{{ february }}|{{ leap_day }})(\.0)?')
        then lpad(replace(split_part({{ squeezed(column) }}, '.', 1), '-', ''), 10, '0')
end
{%- endmacro -%}

{#- Sum of the digits times their weights. -#}
{%- macro weighted(digits, weights) -%}
({%- for weight in weights %}{{ weight }} * cast({{ digits }}[{{ loop.index }}] as integer){% if not loop.last %} + {% endif %}{% endfor -%})
{%- endmacro -%}

{#- Eight digits, weights 2 7 6 5 4 3 2 1, modulus 11. -#}
{%- macro to_cvr(column) -%}
{%- set digits = "regexp_replace(" ~ squeezed(column) ~ ", '^DK|\\.0$', '', 'g')" -%}
case
    when not regexp_full_match({{ digits }}, '[1-9]\d{7}') then null
    when {{ weighted(digits, [2, 7, 6, 5, 4, 3, 2, 1]) }} % 11 = 0 then {{ digits }}
end
{%- endmacro -%}

{#- Ten digits; the production unit's number has no check digit. -#}
{%- macro to_pnr(column) -%}
{%- set digits = "regexp_replace(" ~ squeezed(column) ~ ", '\\.0$', '')" -%}
{{ where_matches(digits, '[1-9]\\d{9}', digits) }}
{%- endmacro -%}

{#- GS1, 13 digits, weights 1 3, modulus 10. 5.798E+12 has lost its digits and is refused. -#}
{%- macro to_ean(column) -%}
{%- set digits = "regexp_replace(" ~ squeezed(column) ~ ", '\\.0$', '')" -%}
case
    when not regexp_full_match({{ digits }}, '\d{13}') then null
    when {{ weighted(digits, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]) }} % 10 = 0 then {{ digits }}
end
{%- endmacro -%}

{#- Four digits, as in CPR and DAR: 306, 0306 and 306.0 become 0306. -#}
{%- macro to_kommunekode(column) -%}
{{ where_matches(clean(column), '0?\\d{3}(\\.0)?', "lpad(regexp_replace(" ~ clean(column) ~ ", '\\.0$', ''), 4, '0')") }}
{%- endmacro -%}

{#- Both generations: 306-2009-600, and KLE subject, facet, year and serial in 00.30.02-S00-26-1. -#}
{%- macro to_case_number(column) -%}
{{ where_matches("upper(" ~ squeezed(column) ~ ")", '\\d{3}-\\d{4}-\\d+|\\d{2}\\.\\d{2}\\.\\d{2}-[A-ZÆØÅ]\\d{2}-(\\d{2}|\\d{4})-\\d+', "upper(" ~ squeezed(column) ~ ")") }}
{%- endmacro -%}

{#- KLE main group, group or subject, with its facet or without. -#}
{%- macro to_kle(column) -%}
{{ where_matches("upper(" ~ squeezed(column) ~ ")", '\\d{2}(\\.\\d{2}(\\.\\d{2}([ -]?[A-ZÆØÅ]\\d{2})?)?)?', "upper(" ~ squeezed(column) ~ ")") }}
{%- endmacro -%}

{#- With braces or without; all zeros says nothing. -#}
{%- macro to_uuid(column) -%}
nullif(try_cast(trim({{ clean(column) }}, '{}') as uuid), uuid '00000000-0000-0000-0000-000000000000')
{%- endmacro -%}


{# --- for the quarantine ------------------------------------------------------------------------------------------------------ #}

{#- True where something stands that should have become a value of `type` and did not. -#}
{%- macro does_not_convert(type, column) -%}
{%- set readers = {
    'date': read_date, 'date_dk': read_date_dk, 'date_sap': read_date_sap, 'excel_serial': read_excel_serial,
    'odata_date': read_odata_date, 'timestamp': read_timestamp, 'timestamp_dk': read_timestamp_dk,
    'odata_timestamp': read_odata_timestamp, 'iso_week': read_iso_week
} -%}
{%- if type == 'text' -%}
false
{%- elif type in readers -%}
({{ clean(column) }} is not null and {{ readers[type](column) }} is null and not regexp_full_match({{ clean(column) }}, '[0.:/ -]+|9999\d{4}|-?infinity'))
{%- elif type == 'uuid' -%}
({{ clean(column) }} is not null and try_cast(trim({{ clean(column) }}, '{}') as uuid) is null)
{%- else -%}
({{ clean(column) }} is not null and {{ converted(type, column) }} is null)
{%- endif -%}
{%- endmacro -%}

{#- `to_<type>(column)` where the type is a value: Jinja cannot look a macro up by its name. -#}
{%- macro converted(type, column) -%}
{%- set macros = {
    'text': to_text, 'integer': to_integer, 'decimal': to_decimal, 'decimal_dk': to_decimal_dk, 'decimal_sap': to_decimal_sap,
    'boolean': to_boolean, 'bool_dk': to_bool_dk, 'date': to_date, 'date_dk': to_date_dk, 'date_sap': to_date_sap,
    'excel_serial': to_excel_serial, 'odata_date': to_odata_date, 'timestamp': to_timestamp, 'timestamp_dk': to_timestamp_dk,
    'odata_timestamp': to_odata_timestamp, 'iso_week': to_iso_week, 'school_year': to_school_year, 'cpr': to_cpr, 'cvr': to_cvr,
    'pnr': to_pnr, 'ean': to_ean, 'kommunekode': to_kommunekode, 'case_number': to_case_number, 'kle': to_kle, 'uuid': to_uuid
} -%}
{{ macros[type](column) }}
{%- endmacro -%}

{#- The shape of a value, for what may not be shown: digits become 9, letters a. -#}
{%- macro shape(value) -%}
regexp_replace(regexp_replace({{ value }}, '\p{Nd}', '9', 'g'), '\pL', 'a', 'g')
{%- endmacro -%}
