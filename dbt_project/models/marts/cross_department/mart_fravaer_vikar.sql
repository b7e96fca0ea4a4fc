with

-- What each system says of a unit in a month, before anything is hidden; persons are counted to know what must be. All who are not
-- known count as one.
fravaer as (
    select
        fravaer.maaned,
        fct.enhed_id,
        sum(fravaer.timer) filter (where fravaer.fravaersart = 'syg') as sygetimer,
        count(distinct coalesce(medarbejder.person_id::varchar, 'ukendt')) filter (where fravaer.fravaersart = 'syg') as antal_syge
    from {{ ref('int_fravaer__maaned') }} as fravaer
    inner join {{ ref('fct_fravaer') }} as fct on fravaer.fravaer_id = fct.fravaer_id
    left join {{ ref('dim_medarbejder') }} as medarbejder on fct.medarbejder_noegle = medarbejder.medarbejder_noegle
    group by fravaer.maaned, fct.enhed_id
),

vagter as (
    select
        date_trunc('month', dato)::date as maaned,
        enhed_id,
        sum(timer) filter (where vagttype = 'fast') as faste_timer,
        sum(timer) filter (where vagttype = 'vikar') as vikartimer,
        sum(pris) filter (where vagttype = 'vikar') as vikarudgift
    from {{ ref('fct_vagt') }}
    group by 1, 2
),

bevilget as (
    select
        bevilling.maaned,
        fct.enhed_id,
        sum(bevilling.timer) as bevilgede_timer,
        count(distinct bevilling.borger_id) as antal_bevilgede
    from {{ ref('int_bevilling__maaned') }} as bevilling
    inner join {{ ref('fct_bevilget_omsorg') }} as fct on bevilling.indsats_id = fct.indsats_id
    group by bevilling.maaned, fct.enhed_id
),

leveret as (
    select
        date_trunc('month', dato)::date as maaned,
        enhed_id,
        sum(leverede_minutter) / 60 as leverede_timer,
        sum(planlagte_minutter) / 60 as planlagte_timer,
        count(distinct coalesce(person_id::varchar, 'ukendt')) as antal_besoegte
    from {{ ref('fct_leveret_omsorg') }}
    group by 1, 2
),

loen as (
    select
        date_trunc('month', postering.bogfoeringsdato)::date as maaned,
        postering.enhed_id,
        sum(postering.beloeb) as loenudgift
    from {{ ref('fct_postering') }} as postering
    inner join {{ ref('dim_konto') }} as konto on postering.artskonto = konto.artskonto
    where konto.hovedart = '1' and postering.dranst = '1'
    group by 1, 2
),

maaneder as (
    select
        maaned,
        max(dato) as sidste_dag
    from {{ ref('dim_dato') }}
    group by maaned
),

-- What few employees earn is theirs to tell.
ansatte as (
    select
        maaneder.maaned,
        medarbejder.enhed_id,
        count(distinct coalesce(medarbejder.person_id::varchar, 'ukendt')) as antal_ansatte
    from maaneder
    inner join {{ ref('dim_medarbejder') }} as medarbejder
        on maaneder.sidste_dag >= medarbejder.gyldig_fra and maaneder.maaned <= medarbejder.gyldig_til
    where medarbejder.medarbejder_noegle <> {{ unknown_key() }}
    group by maaneder.maaned, medarbejder.enhed_id
),

celler as (
    select
        maaned,
        enhed_id
    from fravaer
    union
    select
        maaned,
        enhed_id
    from vagter
    union
    select
        maaned,
        enhed_id
    from bevilget
    union
    select
        maaned,
        enhed_id
    from leveret
    union
    select
        maaned,
        enhed_id
    from loen
)

select
    celler.maaned,
    celler.enhed_id,
    organisation.enhed,
    organisation.enhedstype,
    organisation.center,
    coalesce(fagomraader.fagomraade_navn, 'Ukendt') as fagomraade,
    {{ suppress('ansatte.antal_ansatte', 'coalesce(ansatte.antal_ansatte, 0)') }}::integer as antal_ansatte,
    {{ suppress('fravaer.antal_syge', 'coalesce(fravaer.antal_syge, 0)') }}::integer as antal_syge,
    {{ suppress('fravaer.antal_syge', 'coalesce(fravaer.sygetimer, 0)') }}::decimal(18, 2) as sygetimer,
    coalesce(vagter.faste_timer, 0)::decimal(18, 2) as faste_timer,
    coalesce(vagter.vikartimer, 0)::decimal(18, 2) as vikartimer,
    coalesce(vagter.vikarudgift, 0)::decimal(18, 2) as vikarudgift,
    {{ suppress('bevilget.antal_bevilgede', 'coalesce(bevilget.bevilgede_timer, 0)') }}::decimal(18, 2) as bevilgede_timer,
    {{ suppress('leveret.antal_besoegte', 'coalesce(leveret.planlagte_timer, 0)') }}::decimal(18, 2) as planlagte_timer,
    {{ suppress('leveret.antal_besoegte', 'coalesce(leveret.leverede_timer, 0)') }}::decimal(18, 2) as leverede_timer,
    {{ suppress('coalesce(ansatte.antal_ansatte, 1)', 'coalesce(loen.loenudgift, 0)') }}::decimal(18, 2) as loenudgift,
    (
        {{ is_small('fravaer.antal_syge') }}
        or {{ is_small('coalesce(ansatte.antal_ansatte, 1)') }}
        or {{ is_small('bevilget.antal_bevilgede') }}
        or {{ is_small('leveret.antal_besoegte') }}
    ) as diskretioneret
from celler
left join fravaer on celler.maaned = fravaer.maaned and celler.enhed_id = fravaer.enhed_id
left join vagter on celler.maaned = vagter.maaned and celler.enhed_id = vagter.enhed_id
left join bevilget on celler.maaned = bevilget.maaned and celler.enhed_id = bevilget.enhed_id
left join leveret on celler.maaned = leveret.maaned and celler.enhed_id = leveret.enhed_id
left join ansatte on celler.maaned = ansatte.maaned and celler.enhed_id = ansatte.enhed_id
left join loen on celler.maaned = loen.maaned and celler.enhed_id = loen.enhed_id
left join {{ ref('dim_organisation') }} as organisation on celler.enhed_id = organisation.enhed_id
left join {{ ref('fagomraader') }} as fagomraader on organisation.fagomraade = fagomraader.fagomraade
