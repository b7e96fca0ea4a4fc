select
    funktioner.funktion,
    funktioner.funktion_navn,
    hovedkonti.hovedkonto,
    hovedkonti.hovedkonto_navn
from {{ ref('kontoplan_funktioner') }} as funktioner
inner join {{ ref('hovedkonti') }} as hovedkonti on left(funktioner.funktion, 1) = hovedkonti.hovedkonto
union all
select
    {{ unknown_key() }} as funktion,
    'Ukendt' as funktion_navn,
    null as hovedkonto,
    null as hovedkonto_navn
