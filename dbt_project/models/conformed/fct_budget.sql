-- A budget is the whole year's: a cost centre that is made during the year has it from its first day.
with

aar as (
    select distinct regnskabsaar
    from {{ ref('int_budget__konteret') }}
),

dage as (
    select
        steder.omkostningssted,
        aar.regnskabsaar,
        min(greatest(steder.gyldig_fra, make_date(aar.regnskabsaar::integer, 1, 1))) as dag
    from {{ ref('dim_omkostningssted_historik') }} as steder
    inner join aar
        on
            steder.gyldig_fra <= make_date(aar.regnskabsaar::integer, 12, 31)
            and steder.gyldig_til >= make_date(aar.regnskabsaar::integer, 1, 1)
    group by steder.omkostningssted, aar.regnskabsaar
)

select
    budget.regnskabsaar,
    budget.budgetversion,
    budget.omkostningssted as omkostningssted_kilde,
    budget.artskonto as artskonto_kilde,
    budget.funktion as funktion_kilde,
    coalesce({{ account_key('budget.regnskabsaar', 'budget.konto') }}, {{ unknown_key() }}) as konto_noegle,
    coalesce(konto.artskonto, {{ unknown_key() }}) as artskonto,
    coalesce(steder.omkostningssted, {{ unknown_key() }}) as omkostningssted,
    coalesce(steder.omkostningssted_noegle, {{ unknown_key() }}) as omkostningssted_noegle,
    coalesce(steder.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    coalesce(funktioner.funktion, {{ unknown_key() }}) as funktion,
    budget.dranst,
    budget.beloeb
from {{ ref('int_budget__konteret') }} as budget
left join {{ ref('dim_artskonto') }} as konto on budget.artskonto = konto.artskonto
left join dage on {{ unpadded('budget.omkostningssted') }} = dage.omkostningssted and budget.regnskabsaar = dage.regnskabsaar
{{ join_as_of('dim_omkostningssted_historik', 'steder', 'omkostningssted', 'dage.omkostningssted', 'dage.dag') }}
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', 'steder.enhed_id', 'dage.dag') }}
left join {{ ref('dim_funktion') }} as funktioner on budget.funktion = funktioner.funktion
