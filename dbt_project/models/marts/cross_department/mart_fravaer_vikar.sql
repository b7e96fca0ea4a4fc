{% set ansatte_hidden = hidden_total('antal_ansatte', 'skjul_ansatte', 'coalesce(list_unique(flatten(list(ansatte))), 0)') -%}
with

-- Where its system tells of nothing yet, or no more, what it measures is not 0 but unknown; so are salaries that are not posted yet.
kendt as (
    select
        {{ covered('fravaer', ref('int_fravaer__daekning'), 'fravaer') }},
        {{ covered('vagter', ref('int_vagt__daekning'), 'vagter') }},
        {{ covered('omsorg', ref('int_omsorg__daekning'), 'omsorg') }},
        {{ months_covered('loen', ref('int_loen__maaned'), 'maaned', ref('int_postering__daekning'), 'posteringer') }}
),

-- Shifts are planned, visits cancelled and sick leave prolonged beforehand: what no system has come to has not happened.
seneste as (
    select greatest(fravaer_til, vagter_til, omsorg_til, loen_til) as dag
    from kendt
),

-- What each system says of a unit in a month, before anything is hidden; persons are kept, to count each once in the unit as in its
-- centre. All who are not known count as one.
fravaer as (
    select
        fravaer.maaned,
        fct.enhed_id,
        sum(fravaer.timer) as sygetimer,
        list(distinct coalesce(medarbejder.person_id, {{ nobody() }})) as syge
    from {{ ref('int_fravaer__maaned') }} as fravaer
    inner join {{ ref('fct_fravaer') }} as fct on fravaer.fravaer_id = fct.fravaer_id
    left join {{ ref('dim_medarbejder') }} as medarbejder on fct.medarbejder_noegle = medarbejder.medarbejder_noegle
    where fravaer.fravaersart = 'syg'
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
    where dato <= (select kendt.vagter_til from kendt)
    group by 1, 2
),

bevilget as (
    select
        bevilling.maaned,
        fct.enhed_id,
        sum(bevilling.timer) as bevilgede_timer,
        list(distinct coalesce(fct.person_id, {{ nobody() }})) as bevilgede
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
        list(distinct coalesce(person_id, {{ nobody() }})) as besoegte
    from {{ ref('fct_leveret_omsorg') }}
    where dato <= (select kendt.omsorg_til from kendt)
    group by 1, 2
),

haendelser as (
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
    from {{ ref('int_loen__maaned') }}
),

maaneder as (
    select
        maaned,
        max(dato) as sidste_dag
    from {{ ref('dim_dato') }}
    where maaned in (select haendelser.maaned from haendelser) and maaned <= (select seneste.dag from seneste)
    group by maaned
),

ansatte as (
    {{ employed('list') }}
),

-- A unit in which nothing happened still has those who are employed there: its centre has them too, and so has a metric of employees.
celler as (
    select
        maaned,
        enhed_id
    from haendelser
    where maaned <= (select seneste.dag from seneste)
    union
    select
        maaned,
        enhed_id
    from ansatte
),

enheder as (
    select
        celler.maaned,
        coalesce(organisation.center_id, {{ unknown_key() }}) as center_id,
        celler.enhed_id,
        'enhed' as raekketype,
        ansatte.ansatte,
        fravaer.syge,
        bevilget.bevilgede,
        leveret.besoegte,
        coalesce(len(ansatte.ansatte), 0) as antal_ansatte,
        coalesce(len(fravaer.syge), 0) as antal_syge,
        coalesce(len(bevilget.bevilgede), 0) as antal_bevilgede,
        coalesce(len(leveret.besoegte), 0) as antal_besoegte,
        coalesce(loen.ansatte, 0) as antal_loennede,
        coalesce(loen.skjules, false) as skjul_loennede,
        fravaer.sygetimer,
        vagter.faste_timer,
        vagter.vikartimer,
        vagter.vikarudgift,
        bevilget.bevilgede_timer,
        leveret.planlagte_timer,
        leveret.leverede_timer,
        loen.loenudgift
    from celler
    left join fravaer on celler.maaned = fravaer.maaned and celler.enhed_id = fravaer.enhed_id
    left join vagter on celler.maaned = vagter.maaned and celler.enhed_id = vagter.enhed_id
    left join bevilget on celler.maaned = bevilget.maaned and celler.enhed_id = bevilget.enhed_id
    left join leveret on celler.maaned = leveret.maaned and celler.enhed_id = leveret.enhed_id
    left join ansatte on celler.maaned = ansatte.maaned and celler.enhed_id = ansatte.enhed_id
    left join {{ ref('int_loen__maaned') }} as loen on celler.maaned = loen.maaned and celler.enhed_id = loen.enhed_id
    left join {{ ref('dim_organisation') }} as organisation on celler.enhed_id = organisation.enhed_id
),

valgte_ansatte as (
    select
        *,
        {{ hidden_cell('antal_ansatte', ['maaned', 'center_id'], 'enhed_id') }} as skjul_ansatte
    from enheder
),

-- Colleagues know who they are: in a unit of few, whether any of them was ill is hidden too.
valgt as (
    select
        *,
        {{ hidden_cell('antal_syge', ['maaned', 'center_id'], 'enhed_id', among='skjul_ansatte', of='antal_ansatte') }} as skjul_syge,
        {{ hidden_cell('antal_bevilgede', ['maaned', 'center_id'], 'enhed_id', published=false) }} as skjul_bevilgede,
        {{ hidden_cell('antal_besoegte', ['maaned', 'center_id'], 'enhed_id', published=false) }} as skjul_besoegte
    from valgte_ansatte
),

-- The centre's row stands for the whole centre; the unit that is the centre's own office has a row of its own beside it.
centre as (
    select
        maaned,
        center_id,
        center_id as enhed_id,
        'center i alt' as raekketype,
        coalesce(list_unique(flatten(list(ansatte))), 0) as antal_ansatte,
        coalesce(list_unique(flatten(list(syge))), 0) as antal_syge,
        coalesce(list_unique(flatten(list(bevilgede))), 0) as antal_bevilgede,
        coalesce(list_unique(flatten(list(besoegte))), 0) as antal_besoegte,
        sum(sygetimer) as sygetimer,
        sum(faste_timer) as faste_timer,
        sum(vikartimer) as vikartimer,
        sum(vikarudgift) as vikarudgift,
        sum(bevilgede_timer) as bevilgede_timer,
        sum(planlagte_timer) as planlagte_timer,
        sum(leverede_timer) as leverede_timer,
        sum(loenudgift) as loenudgift,
        {{ ansatte_hidden }} as skjul_ansatte,
        {{ hidden_total('antal_syge', 'skjul_syge', 'coalesce(list_unique(flatten(list(syge))), 0)', among='skjul_ansatte', whole=ansatte_hidden) }} as skjul_syge,
        {{ hidden_total('antal_bevilgede', 'skjul_bevilgede', 'coalesce(list_unique(flatten(list(bevilgede))), 0)') }} as skjul_bevilgede,
        {{ hidden_total('antal_besoegte', 'skjul_besoegte', 'coalesce(list_unique(flatten(list(besoegte))), 0)') }} as skjul_besoegte,
        {{ hidden_total('antal_loennede', 'skjul_loennede', 'if(max(antal_loennede) = 0, 0, greatest(coalesce(list_unique(flatten(list(ansatte))), 0), 1))') }} as skjul_loennede
    from valgt
    group by maaned, center_id
),

med_total as (
    select * exclude (ansatte, syge, bevilgede, besoegte, antal_loennede) from valgt
    union all by name
    select * from centre
)

select
    med_total.maaned,
    med_total.enhed_id,
    med_total.raekketype,
    organisation.enhed,
    organisation.enhedstype,
    med_total.center_id,
    organisation.center,
    coalesce(fagomraader.fagomraade_navn, 'Ukendt') as fagomraade,
    case when not med_total.skjul_ansatte then med_total.antal_ansatte end::integer as antal_ansatte,
    case when not med_total.skjul_syge then {{ known('nullif(med_total.antal_syge, 0)', 'med_total.maaned', 'kendt.fravaer', among='med_total.maaned, med_total.center_id') }} end::integer as antal_syge,
    case when not med_total.skjul_syge then {{ known('med_total.sygetimer', 'med_total.maaned', 'kendt.fravaer', among='med_total.maaned, med_total.center_id') }} end::decimal(18, 2) as sygetimer,
    {{ known('med_total.faste_timer', 'med_total.maaned', 'kendt.vagter') }}::decimal(18, 2) as faste_timer,
    {{ known('med_total.vikartimer', 'med_total.maaned', 'kendt.vagter') }}::decimal(18, 2) as vikartimer,
    {{ known('med_total.vikarudgift', 'med_total.maaned', 'kendt.vagter') }}::decimal(18, 2) as vikarudgift,
    case when not med_total.skjul_bevilgede then {{ known('med_total.bevilgede_timer', 'med_total.maaned', 'kendt.omsorg', among='med_total.maaned, med_total.center_id') }} end::decimal(18, 2) as bevilgede_timer,
    case when not med_total.skjul_besoegte then {{ known('med_total.planlagte_timer', 'med_total.maaned', 'kendt.omsorg', among='med_total.maaned, med_total.center_id') }} end::decimal(18, 2) as planlagte_timer,
    case when not med_total.skjul_besoegte then {{ known('med_total.leverede_timer', 'med_total.maaned', 'kendt.omsorg', among='med_total.maaned, med_total.center_id') }} end::decimal(18, 2) as leverede_timer,
    case when not med_total.skjul_loennede then {{ known('med_total.loenudgift', 'med_total.maaned', 'kendt.loen', among='med_total.maaned, med_total.center_id') }} end::decimal(18, 2) as loenudgift,
    (
        med_total.skjul_ansatte
        or med_total.skjul_syge
        or med_total.skjul_bevilgede
        or med_total.skjul_besoegte
        or med_total.skjul_loennede
    ) as diskretioneret
from med_total
cross join kendt
left join {{ ref('dim_organisation') }} as organisation on med_total.enhed_id = organisation.enhed_id
left join {{ ref('fagomraader') }} as fagomraader on organisation.fagomraade = fagomraader.fagomraade
