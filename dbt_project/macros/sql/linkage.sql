{# Record linkage: how texts are made comparable, and what becomes of what the model finds likely. #}

{#- Lower case, only letters and digits, single spaces, and the Danish letters in one of their two spellings. -#}
{%- macro normalised(column) -%}
trim(regexp_replace(replace(replace(replace(lower({{ column }}), 'aa', 'å'), 'ae', 'æ'), 'oe', 'ø'), '[^a-zæøåéü0-9]+', ' ', 'g'))
{%- endmacro -%}

{#- A company's name without its legal form and country. -#}
{%- macro company_name(column) -%}
trim(regexp_replace(
    {{ normalised("regexp_replace(" ~ column ~ ", '(?i)\\b(a/s|i/s|p/s|k/s)(\\s|,|$)', ' ', 'g')") }},
    '\b(as|aps|ivs|amba|danmark|denmark)\b', '', 'g'
))
{%- endmacro -%}

{#-
    One row for each text and target that is linked or for a person to look at. A decision in the seed `koblinger` wins over the score,
    whichever way it went, for as long as the text is written so. The model links where one target alone reaches `kobling.sikker`;
    where none does, or more than one, all that reach `kobling.tvivl` are for review.
-#}
{%- macro linkage_outcome(slags, candidates, target) -%}
with

afgjort as (
    select
        tekst,
        maal,
        afgoerelse,
        dato
    from {{ ref('koblinger') }}
    where slags = '{{ slags }}'
),

aabne as (
    select
        kandidater.tekst,
        kandidater.{{ target }},
        kandidater.sandsynlighed,
        count(*) filter (where kandidater.sandsynlighed >= {{ var('kobling')['sikker'] }}) over (partition by kandidater.tekst) as sikre
    from {{ candidates }} as kandidater
    where
        kandidater.sandsynlighed >= {{ var('kobling')['tvivl'] }}
        and kandidater.tekst not in (select afgjort.tekst from afgjort where afgjort.afgoerelse = 'ja')
        and (kandidater.tekst, kandidater.{{ target }}) not in (select (afgjort.tekst, afgjort.maal) from afgjort)
)

select
    tekst,
    maal as {{ target }},
    1.0::decimal(5, 4) as tillid,
    'menneske' as metode,
    'koblet' as udfald
from afgjort
where afgoerelse = 'ja'
union all
select
    tekst,
    {{ target }},
    sandsynlighed::decimal(5, 4) as tillid,
    'model' as metode,
    if(sikre = 1, 'koblet', 'gennemsyn') as udfald
from aabne
where sikre <> 1 or sandsynlighed >= {{ var('kobling')['sikker'] }}
{%- endmacro -%}
