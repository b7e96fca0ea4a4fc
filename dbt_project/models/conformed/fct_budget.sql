select
    budget.regnskabsaar,
    budget.budgetversion,
    budget.omkostningssted as omkostningssted_kilde,
    budget.artskonto as artskonto_kilde,
    budget.funktion as funktion_kilde,
    coalesce(konto.artskonto, {{ unknown_key() }}) as artskonto,
    coalesce(steder.omkostningssted, {{ unknown_key() }}) as omkostningssted,
    coalesce(steder.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(funktioner.funktion, {{ unknown_key() }}) as funktion,
    budget.dranst,
    budget.beloeb
from {{ ref('stg_opus_oekonomi__budget') }} as budget
left join {{ ref('dim_konto') }} as konto on budget.artskonto = konto.artskonto
left join {{ ref('dim_omkostningssted') }} as steder on {{ unpadded('budget.omkostningssted') }} = steder.omkostningssted
left join {{ ref('dim_funktion') }} as funktioner on budget.funktion = funktioner.funktion
