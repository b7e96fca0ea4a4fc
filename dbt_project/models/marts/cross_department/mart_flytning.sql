-- Who moved, and what the movers in were paid and given in their first 24 months here.
{% set parts = ['ydelsesmodtagere', 'omsorgsmodtagere'] %}
{% set total_hidden = hidden_total('personer', 'skjul_personer', 'sum(personer)') %}
with

-- What both registers cover.
kendt as (
    select
        greatest(ydelser.fra_dato, omsorg.fra_dato) as fra_dato,
        least(ydelser.til_dato, omsorg.til_dato) as til_dato
    from {{ ref('int_ydelse__daekning') }} as ydelser
    cross join {{ ref('int_omsorg__daekning') }} as omsorg
),

flytninger as (
    select
        flytning.person_id,
        flytning.dato,
        flytning.retning,
        date_trunc('quarter', flytning.dato)::date as kvartal,
        -- Who moves in again is followed anew: no week is counted after two moves.
        least(
            flytning.dato + interval 24 month,
            lead(flytning.dato) over (partition by flytning.person_id, flytning.retning order by flytning.dato)
        ) as foelges_til,
        coalesce(borger.aldersgruppe, 'Ukendt alder') as aldersgruppe
    from {{ ref('fct_flytning') }} as flytning
    inner join {{ ref('dim_borger') }} as borger on flytning.borger_noegle = borger.borger_noegle
    -- From the first whole quarter for which benefits and care are known: of earlier movers the first 24 months are not.
    where flytning.dato >= (select date_trunc('quarter', kendt.fra_dato) + interval 3 month from kendt)
),

ydelser as (
    select
        flytninger.person_id,
        flytninger.dato,
        sum(ydelse.beloeb) as ydelser,
        sum(ydelse.refusion) as refusion
    from flytninger
    inner join {{ ref('fct_ydelse') }} as ydelse
        on
            flytninger.person_id = ydelse.person_id
            and flytninger.dato <= ydelse.uge_mandag
            and flytninger.foelges_til > ydelse.uge_mandag
    where flytninger.retning = 'tilflytning'
    group by flytninger.person_id, flytninger.dato
),

omsorg as (
    select
        flytninger.person_id,
        flytninger.dato,
        sum(besoeg.leverede_minutter) / 60 as timer
    from flytninger
    inner join {{ ref('fct_leveret_omsorg') }} as besoeg
        on
            flytninger.person_id = besoeg.person_id
            and flytninger.dato <= besoeg.dato
            and flytninger.foelges_til > besoeg.dato
    where flytninger.retning = 'tilflytning' and besoeg.leverede_minutter > 0
    group by flytninger.person_id, flytninger.dato
),

celler as (
    select
        flytninger.kvartal,
        flytninger.retning,
        flytninger.aldersgruppe,
        count(*) as flytninger,
        count(distinct flytninger.person_id) as personer,
        count(distinct ydelser.person_id) as ydelsesmodtagere,
        count(distinct omsorg.person_id) as omsorgsmodtagere,
        coalesce(sum(ydelser.ydelser), 0) as ydelser,
        coalesce(sum(ydelser.refusion), 0) as refusion,
        coalesce(sum(omsorg.timer), 0) as omsorgstimer
    from flytninger
    left join ydelser
        on flytninger.person_id = ydelser.person_id and flytninger.dato = ydelser.dato and flytninger.retning = 'tilflytning'
    left join omsorg
        on flytninger.person_id = omsorg.person_id and flytninger.dato = omsorg.dato and flytninger.retning = 'tilflytning'
    group by flytninger.kvartal, flytninger.retning, flytninger.aldersgruppe
),

valgte_personer as (
    select
        *,
        {{ hidden_cell('personer', ['kvartal', 'retning'], 'aldersgruppe') }} as skjul_personer
    from celler
),

-- Who is paid or cared for are fewer than who moved: what they get is hidden by their own number, and where few moved, whether they do.
valgt as (
    select
        {% for part in parts %}
        {{ hidden_cell(part, ['kvartal', 'retning'], 'aldersgruppe', among='skjul_personer', of='personer') }} as skjul_{{ part }},
        {% endfor %}
        *
    from valgte_personer
),

med_total as (
    select * from valgt
    union all by name
    select
        kvartal,
        retning,
        'I alt' as aldersgruppe,
        sum(flytninger) as flytninger,
        sum(ydelser) as ydelser,
        sum(refusion) as refusion,
        sum(personer) as personer,
        {{ total_hidden }} as skjul_personer,
        {% for part in parts %}
        sum({{ part }}) as {{ part }},
        {{ hidden_total(part, 'skjul_' ~ part, 'sum(' ~ part ~ ')', among='skjul_personer', whole=total_hidden) }} as skjul_{{ part }},
        {% endfor %}
        sum(omsorgstimer) as omsorgstimer
    from valgt
    group by kvartal, retning
)

select
    kvartal,
    retning,
    aldersgruppe,
    case when not skjul_personer then flytninger end::integer as flytninger,
    case when not skjul_ydelsesmodtagere and retning = 'tilflytning' then ydelsesmodtagere end::integer as ydelsesmodtagere_24_mdr,
    case when not skjul_ydelsesmodtagere and retning = 'tilflytning' then ydelser end::decimal(18, 2) as ydelser_24_mdr,
    case when not skjul_ydelsesmodtagere and retning = 'tilflytning' then refusion end::decimal(18, 2) as refusion_24_mdr,
    case when not skjul_omsorgsmodtagere and retning = 'tilflytning' then omsorgsmodtagere end::integer as omsorgsmodtagere_24_mdr,
    case when not skjul_omsorgsmodtagere and retning = 'tilflytning' then omsorgstimer end::decimal(18, 2) as omsorgstimer_24_mdr,
    kvartal + interval 27 month <= (select kendt.til_dato from kendt) as fulgt_i_24_mdr,
    skjul_personer or skjul_ydelsesmodtagere or skjul_omsorgsmodtagere as diskretioneret
from med_total
