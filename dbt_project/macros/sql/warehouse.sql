{# What conformed models and marts have in common. #}

{#- The key that facts carry where their source names nobody, or somebody the dimension does not know. -#}
{%- macro unknown_key() -%}'-1'{%- endmacro -%}

{#- A key without the zeros that SAP pads it with: 0000001234 becomes 1234. -#}
{%- macro unpadded(column) -%}nullif(ltrim({{ column }}, '0'), ''){%- endmacro -%}

{#- Surrogate key of a dimension's version: its natural key and the day it is valid from. -#}
{%- macro version_key(natural_key, valid_from) -%}md5({{ natural_key }} || '|' || {{ valid_from }}){%- endmacro -%}

{#- Joins a slowly changing dimension as it was on the day of the event. Versions of one member never overlap, so no row doubles. -#}
{%- macro join_as_of(dimension, alias, natural_key, event_key, event_date) -%}
left join {{ ref(dimension) }} as {{ alias }}
    on
        {{ alias }}.{{ natural_key }} = {{ event_key }}
        and {{ event_date }} between {{ alias }}.gyldig_fra and {{ alias }}.gyldig_til
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

{#- A moment in UTC (as landing logs them) as Danish clock time: CEST from the last Sunday of March to that of October, both at 01:00 UTC. -#}
{%- macro danish_time(column) -%}
{%- set last_sunday = "date_trunc('week', make_date(year(" ~ column ~ "), MONTH, 31) + 1)::date - 1" -%}
{{ column }} + case
    when
        {{ column }} >= {{ last_sunday | replace('MONTH', '3') }} + interval 1 hour
        and {{ column }} < {{ last_sunday | replace('MONTH', '10') }} + interval 1 hour
        then interval 2 hour
    else interval 1 hour
end
{%- endmacro -%}
