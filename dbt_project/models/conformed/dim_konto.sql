-- The accounts of the authorised plan that the ledger and the budget use: all that could be would be millions.
with

brugte as (
    select
        regnskabsaar,
        konto
    from {{ ref('int_postering__konteret') }}
    where konto is not null
    union
    select
        regnskabsaar,
        konto
    from {{ ref('int_budget__konteret') }}
    where konto is not null
),

dele as (
    select
        regnskabsaar,
        konto,
        konto[1] || '.' || konto[2:3] || '.' || konto[4:5] as funktion,
        konto[6] as dranst,
        konto[7] as ejerforhold,
        konto[8:11] as sted,
        konto[12:14] as gruppering,
        konto[15] as hovedart,
        konto[16] as art
    from brugte
)

select
    {{ account_key('dele.regnskabsaar', 'dele.konto') }} as konto_noegle,
    dele.regnskabsaar,
    dele.konto,
    udgaver.hovedkonto::varchar as hovedkonto,
    udgaver.hovedkontonavn as hovedkonto_navn,
    udgaver.hovedfunktion,
    dele.funktion,
    udgaver.funktionsnavn as funktion_navn,
    dele.dranst,
    dranst.dranst_navn,
    dele.ejerforhold,
    dele.sted,
    dele.gruppering,
    grupperinger.grupperingsnavn as gruppering_navn,
    grupperinger.gruppering is not null as er_autoriseret_gruppering,
    dele.hovedart,
    hovedarter.hovedart_navn,
    dele.art
from dele
inner join {{ ref('stg_kontoplan__funktioner') }} as udgaver
    on dele.regnskabsaar = udgaver.regnskabsaar and dele.funktion = udgaver.funktion
left join {{ ref('stg_kontoplan__grupperinger') }} as grupperinger
    on
        dele.regnskabsaar = grupperinger.regnskabsaar
        and dele.funktion = grupperinger.funktion
        and dele.dranst = grupperinger.dranst::varchar
        and dele.gruppering = grupperinger.gruppering
left join {{ ref('dranst') }} as dranst on dele.dranst = dranst.dranst
left join {{ ref('hovedarter') }} as hovedarter on dele.hovedart = hovedarter.hovedart
union all
select
    {{ unknown_key() }} as konto_noegle,
    null as regnskabsaar,
    null as konto,
    null as hovedkonto,
    null as hovedkonto_navn,
    null as hovedfunktion,
    {{ unknown_key() }} as funktion,
    'Ukendt' as funktion_navn,
    null as dranst,
    null as dranst_navn,
    null as ejerforhold,
    null as sted,
    null as gruppering,
    null as gruppering_navn,
    false as er_autoriseret_gruppering,
    null as hovedart,
    null as hovedart_navn,
    null as art
