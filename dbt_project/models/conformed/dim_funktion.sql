-- Functions as the last edition that has them names them; the look-up fills in for those of no edition that has come.
with

udgaver as (
    select
        funktion,
        arg_max(funktionsnavn, regnskabsaar) as funktion_navn,
        min(regnskabsaar) as foerste_regnskabsaar,
        max(regnskabsaar) as sidste_regnskabsaar
    from {{ ref('stg_kontoplan__funktioner') }}
    group by funktion
)

select
    coalesce(udgaver.funktion, funktioner.funktion) as funktion,
    coalesce(udgaver.funktion_navn, funktioner.funktion_navn) as funktion_navn,
    hovedkonti.hovedkonto,
    hovedkonti.hovedkonto_navn,
    udgaver.foerste_regnskabsaar,
    udgaver.sidste_regnskabsaar
from {{ ref('kontoplan_funktioner') }} as funktioner
full outer join udgaver on funktioner.funktion = udgaver.funktion
inner join {{ ref('hovedkonti') }} as hovedkonti on left(coalesce(udgaver.funktion, funktioner.funktion), 1) = hovedkonti.hovedkonto
union all
select
    {{ unknown_key() }} as funktion,
    'Ukendt' as funktion_navn,
    null as hovedkonto,
    null as hovedkonto_navn,
    null as foerste_regnskabsaar,
    null as sidste_regnskabsaar
