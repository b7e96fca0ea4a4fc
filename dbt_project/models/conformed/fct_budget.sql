select
    budget.regnskabsaar,
    budget.budgetversion,
    budget.omkostningssted as omkostningssted_kilde,
    budget.artskonto as artskonto_kilde,
    budget.funktion as funktion_kilde,
    coalesce({{ account_key('budget.regnskabsaar', 'budget.konto') }}, {{ unknown_key() }}) as konto_noegle,
    coalesce(konto.artskonto, {{ unknown_key() }}) as artskonto,
    coalesce(steder.omkostningssted, {{ unknown_key() }}) as omkostningssted,
    coalesce(steder.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(funktioner.funktion, {{ unknown_key() }}) as funktion,
    budget.dranst,
    budget.beloeb
from {{ ref('int_budget__konteret') }} as budget
left join {{ ref('dim_artskonto') }} as konto on budget.artskonto = konto.artskonto
left join {{ ref('dim_omkostningssted') }} as steder on {{ unpadded('budget.omkostningssted') }} = steder.omkostningssted
left join {{ ref('dim_funktion') }} as funktioner on budget.funktion = funktioner.funktion
