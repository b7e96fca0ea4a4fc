{% set total_hidden = hidden_total('beboere', 'skjul_beboere', 'sum(beboere)') -%}
-- The summer peak: who lives in summer houses and has care, against home care's own holidays and substitutes. One set of cells a month,
-- district by age band, and one total: a district's or a band's total would need a complement of its own.
with

bevilgede as (
    select distinct
        beboere.maaned,
        beboere.person_id
    from {{ ref('int_sommerhusbeboer__maaned') }} as beboere
    inner join {{ ref('fct_bevilget_omsorg') }} as bevilling
        on beboere.person_id = bevilling.person_id and beboere.dag between bevilling.gyldig_fra and bevilling.gyldig_til
),

besoegte as (
    select
        date_trunc('month', dato)::date as maaned,
        person_id,
        sum(leverede_minutter) / 60 as timer
    from {{ ref('fct_leveret_omsorg') }}
    where leverede_minutter > 0 and person_id is not null
    group by 1, 2
),

celler as (
    select
        beboere.maaned,
        beboere.skoledistrikt,
        beboere.aldersgruppe,
        count(*) as beboere,
        count(bevilgede.person_id) as bevilgede,
        count(besoegte.person_id) as besoegte,
        sum(besoegte.timer) as leverede_timer
    from {{ ref('int_sommerhusbeboer__maaned') }} as beboere
    left join bevilgede on beboere.maaned = bevilgede.maaned and beboere.person_id = bevilgede.person_id
    left join besoegte on beboere.maaned = besoegte.maaned and beboere.person_id = besoegte.person_id
    group by beboere.maaned, beboere.skoledistrikt, beboere.aldersgruppe
),

valgte_beboere as (
    select
        *,
        {{ hidden_cell('beboere', ['maaned'], 'skoledistrikt, aldersgruppe') }} as skjul_beboere
    from celler
),

-- Neighbours know who lives there: where they are few, whether they have care is hidden too.
valgt as (
    select
        *,
        {{ hidden_cell('bevilgede', ['maaned'], 'skoledistrikt, aldersgruppe', among='skjul_beboere', of='beboere') }} as skjul_bevilgede,
        {{ hidden_cell('besoegte', ['maaned'], 'skoledistrikt, aldersgruppe', among='skjul_beboere', of='beboere') }} as skjul_besoegte
    from valgte_beboere
),

med_total as (
    select * from valgt
    union all by name
    select
        maaned,
        'I alt' as skoledistrikt,
        'I alt' as aldersgruppe,
        sum(beboere) as beboere,
        sum(bevilgede) as bevilgede,
        sum(besoegte) as besoegte,
        sum(leverede_timer) as leverede_timer,
        {{ total_hidden }} as skjul_beboere,
        {{ hidden_total('bevilgede', 'skjul_bevilgede', 'sum(bevilgede)', among='skjul_beboere', whole=total_hidden) }} as skjul_bevilgede,
        {{ hidden_total('besoegte', 'skjul_besoegte', 'sum(besoegte)', among='skjul_beboere', whole=total_hidden) }} as skjul_besoegte
    from valgt
    group by maaned
),

ferie as (
    select
        fravaer.maaned,
        count(distinct coalesce(medarbejder.person_id, {{ nobody() }})) as ansatte,
        sum(fravaer.timer) as timer
    from {{ ref('int_fravaer__maaned') }} as fravaer
    inner join {{ ref('fct_fravaer') }} as fct on fravaer.fravaer_id = fct.fravaer_id
    inner join {{ ref('dim_organisation') }} as organisation on fct.enhed_id = organisation.enhed_id
    left join {{ ref('dim_medarbejder') }} as medarbejder on fct.medarbejder_noegle = medarbejder.medarbejder_noegle
    where organisation.enhedstype = 'hjemmepleje' and fravaer.fravaersart = 'ferie'
    group by fravaer.maaned
),

vagter as (
    select
        date_trunc('month', vagt.dato)::date as maaned,
        sum(vagt.timer) filter (where vagt.vagttype = 'fast') as faste_timer,
        sum(vagt.timer) filter (where vagt.vagttype = 'vikar') as vikartimer
    from {{ ref('fct_vagt') }} as vagt
    inner join {{ ref('dim_organisation') }} as organisation on vagt.enhed_id = organisation.enhed_id
    where organisation.enhedstype = 'hjemmepleje' and vagt.dato <= (select daekning.til_dato from {{ ref('int_vagt__daekning') }} as daekning)
    group by 1
),

-- The months that are told of by OPUS and by the shifts.
kendt as (
    select
        {{ covered('fravaer', ref('int_fravaer__daekning'), 'fravaer') }},
        {{ covered('vagter', ref('int_vagt__daekning'), 'vagter') }}
)

-- Home care's units cover no school district: what staff do stands beside the total only.
select
    med_total.maaned,
    med_total.skoledistrikt,
    coalesce(distrikter.skoledistrikt_navn, med_total.skoledistrikt) as skoledistrikt_navn,
    med_total.aldersgruppe,
    case when not med_total.skjul_beboere then med_total.beboere end::integer as beboere,
    case when not med_total.skjul_bevilgede then med_total.bevilgede end::integer as bevilgede,
    case when not med_total.skjul_besoegte then med_total.besoegte end::integer as besoegte,
    case when not med_total.skjul_besoegte then coalesce(med_total.leverede_timer, 0) end::decimal(18, 2) as leverede_timer,
    case when med_total.skoledistrikt = 'I alt' then {{ suppress('ferie.ansatte', known('ferie.ansatte', 'med_total.maaned', 'kendt.fravaer')) }} end::integer as ansatte_paa_ferie,
    case when med_total.skoledistrikt = 'I alt' then {{ suppress('ferie.ansatte', known('ferie.timer', 'med_total.maaned', 'kendt.fravaer')) }} end::decimal(18, 2) as ferietimer,
    case when med_total.skoledistrikt = 'I alt' then {{ known('vagter.faste_timer', 'med_total.maaned', 'kendt.vagter') }} end::decimal(18, 2) as faste_timer,
    case when med_total.skoledistrikt = 'I alt' then {{ known('vagter.vikartimer', 'med_total.maaned', 'kendt.vagter') }} end::decimal(18, 2) as vikartimer,
    (
        med_total.skjul_beboere
        or med_total.skjul_bevilgede
        or med_total.skjul_besoegte
        or (med_total.skoledistrikt = 'I alt' and {{ is_small('ferie.ansatte') }})
    ) as diskretioneret
from med_total
cross join kendt
left join ferie on med_total.maaned = ferie.maaned
left join vagter on med_total.maaned = vagter.maaned
left join {{ ref('dim_skoledistrikt') }} as distrikter on med_total.skoledistrikt = distrikter.skoledistrikt
