-- Lines of the budget with their account in the authorised plan, as it stood on the first day of the year.
select
    budget.*,
    {{ authorised_account('udgaver.funktion', 'budget.dranst', 'budget.omkostningssted', 'konto') }} as konto
from {{ ref('stg_opus_oekonomi__budget') }} as budget
left join {{ ref('xref_konto') }} as konto
    on
        konto.nummersystem = 'Artskonto'
        and budget.artskonto = konto.nummer
        and make_date(budget.regnskabsaar::integer, 1, 1) between konto.gyldig_fra and konto.gyldig_til
left join {{ ref('stg_kontoplan__funktioner') }} as udgaver
    on budget.regnskabsaar = udgaver.regnskabsaar and budget.funktion = udgaver.funktion
