with

ydelser as (
    select
        date_trunc('month', uge_mandag)::date as maaned,
        ydelsesgruppe,
        count(distinct person_id) as personer,
        count(*) as uger,
        coalesce(sum(beloeb), 0) as brutto,
        coalesce(sum(refusion), 0) as refusion,
        coalesce(sum(kommunal_andel), 0) as kommunal_andel
    from {{ ref('fct_ydelse') }}
    group by 1, 2
),

modtagere as (
    select distinct
        date_trunc('month', uge_mandag)::date as maaned,
        ydelsesgruppe,
        person_id
    from {{ ref('fct_ydelse') }}
),

-- Conversations with those who have the benefit in the month. Who has two benefits is one in the month's total, with each conversation.
samtaler as (
    select
        modtagere.maaned,
        coalesce(modtagere.ydelsesgruppe, 'I alt') as ydelsesgruppe,
        count(distinct kontakt.samtale_id) as samtaler
    from {{ ref('fct_kontaktforloeb') }} as kontakt
    inner join modtagere
        on kontakt.person_id = modtagere.person_id and date_trunc('month', kontakt.dato)::date = modtagere.maaned
    where kontakt.udfald = 'afholdt'
    group by grouping sets ((modtagere.maaned, modtagere.ydelsesgruppe), (modtagere.maaned))
),

modtagere_i_alt as (
    select
        maaned,
        count(distinct person_id) as personer
    from modtagere
    group by maaned
),

-- Several benefits may share a group, its function, or a benchmark: each is joined once.
funktioner as (
    select distinct
        ydelsesgruppe,
        funktion
    from {{ ref('ydelser') }}
    where til_borger
),

benchmark as (
    select distinct
        ydelsesgruppe,
        jobindsats_gruppe
    from {{ ref('ydelser') }}
    where til_borger
),

-- A benefit week belongs to the month of its Monday, in the file from Ydelsesrefusion as here: it is posted at the end of the week, which
-- may lie in the next month. What comes in the supplementary period belongs to the old year's December. Costs are dranst 1 on the transfers'
-- main kind of account (5), refunds dranst 2, on the group's function.
opus as (
    select
        if(
            postering.periode > 12, postering.regnskabsmaaned, date_trunc('month', date_trunc('week', postering.bogfoeringsdato))
        )::date as maaned,
        funktioner.ydelsesgruppe,
        sum(postering.beloeb) filter (where postering.dranst = '1') as brutto,
        -sum(postering.beloeb) filter (where postering.dranst = '2') as refusion
    from {{ ref('fct_postering') }} as postering
    inner join {{ ref('dim_artskonto') }} as konto on postering.artskonto = konto.artskonto
    inner join funktioner on postering.funktion = funktioner.funktion
    where postering.dranst = '2' or konto.hovedart = '5'
    group by 1, 2
),

-- What is posted in a group that nobody has in the month, as when an old refund is settled, is the month's all the same.
opus_i_alt as (
    select
        maaned,
        sum(brutto) as brutto,
        sum(refusion) as refusion
    from opus
    group by maaned
),

jobindsats as (
    select
        make_date(left(tal.periode, 4)::integer, right(tal.periode, 2)::integer, 1) as maaned,
        benchmark.ydelsesgruppe,
        sum(tal.fuldtidspersoner) filter (where tal.kommunekode = {{ own_municipality() }}) as fuldtidspersoner,
        sum(tal.andel_af_befolkning_pct) filter (where tal.kommunekode = {{ own_municipality() }}) as andel_kommune,
        sum(tal.andel_af_befolkning_pct) filter (where tal.omraadekode = '/0/') as andel_landet
    from {{ ref('stg_jobindsats__ydelsesmodtagere') }} as tal
    inner join benchmark on tal.ydelsesgruppe = benchmark.jobindsats_gruppe
    where regexp_full_match(tal.periode, '\d{4}M(0[1-9]|1[0-2])')
    group by 1, 2
),

-- What was paid before Opus tells of any posting, or after, is no difference; nor has nobody been talked to where Momentum tells of nothing.
kendt as (
    select
        {{ months_covered('opus', 'opus', 'maaned', ref('int_postering__daekning'), 'posteringer') }},
        {{ covered('samtaler', ref('int_kontaktforloeb__daekning'), 'samtaler') }}
),

celler as (
    select
        ydelser.maaned,
        ydelser.ydelsesgruppe,
        ydelser.personer,
        ydelser.uger,
        ydelser.brutto,
        ydelser.refusion,
        ydelser.kommunal_andel,
        {{ known('samtaler.samtaler', 'ydelser.maaned', 'kendt.samtaler') }} as samtaler,
        {{ known('opus.brutto', 'ydelser.maaned', 'kendt.opus') }} as opus_brutto,
        {{ known('opus.refusion', 'ydelser.maaned', 'kendt.opus') }} as opus_refusion,
        jobindsats.fuldtidspersoner as jobindsats_fuldtidspersoner,
        jobindsats.andel_kommune as jobindsats_andel_kommune_pct,
        jobindsats.andel_landet as jobindsats_andel_landet_pct,
        {{ hidden_cell('ydelser.personer', ['ydelser.maaned'], 'ydelser.ydelsesgruppe') }} as diskretioneret
    from ydelser
    cross join kendt
    left join samtaler on ydelser.maaned = samtaler.maaned and ydelser.ydelsesgruppe = samtaler.ydelsesgruppe
    left join opus on ydelser.maaned = opus.maaned and ydelser.ydelsesgruppe = opus.ydelsesgruppe
    left join jobindsats on ydelser.maaned = jobindsats.maaned and ydelser.ydelsesgruppe = jobindsats.ydelsesgruppe
),

med_total as (
    select * from celler
    union all by name
    select
        celler.maaned,
        'I alt' as ydelsesgruppe,
        any_value(modtagere_i_alt.personer) as personer,
        sum(celler.uger) as uger,
        sum(celler.brutto) as brutto,
        sum(celler.refusion) as refusion,
        sum(celler.kommunal_andel) as kommunal_andel,
        {{ known('any_value(samtaler.samtaler)', 'celler.maaned', 'kendt.samtaler') }} as samtaler,
        {{ known('any_value(opus_i_alt.brutto)', 'celler.maaned', 'kendt.opus') }} as opus_brutto,
        {{ known('any_value(opus_i_alt.refusion)', 'celler.maaned', 'kendt.opus') }} as opus_refusion,
        {{ hidden_total('celler.personer', 'celler.diskretioneret', 'any_value(modtagere_i_alt.personer)') }} as diskretioneret
    from celler
    cross join kendt
    inner join modtagere_i_alt on celler.maaned = modtagere_i_alt.maaned
    left join opus_i_alt on celler.maaned = opus_i_alt.maaned
    left join samtaler on celler.maaned = samtaler.maaned and samtaler.ydelsesgruppe = 'I alt'
    group by celler.maaned, kendt.opus_fra, kendt.opus_til, kendt.samtaler_fra, kendt.samtaler_til
)

select
    maaned,
    ydelsesgruppe,
    case when not diskretioneret then personer end::integer as personer,
    case when not diskretioneret then uger end::integer as uger,
    case when not diskretioneret then brutto end::decimal(18, 2) as brutto,
    case when not diskretioneret then refusion end::decimal(18, 2) as refusion,
    case when not diskretioneret then kommunal_andel end::decimal(18, 2) as kommunal_andel,
    case when not diskretioneret then round(100 * refusion / nullif(brutto, 0), 2) end::decimal(9, 2) as refusionsandel_pct,
    case when not diskretioneret then samtaler end::integer as samtaler,
    case when not diskretioneret then opus_brutto end::decimal(18, 2) as opus_brutto,
    case when not diskretioneret then opus_refusion end::decimal(18, 2) as opus_refusion,
    case when not diskretioneret then brutto - opus_brutto end::decimal(18, 2) as difference_brutto,
    case when not diskretioneret then refusion - opus_refusion end::decimal(18, 2) as difference_refusion,
    jobindsats_fuldtidspersoner::decimal(18, 2) as jobindsats_fuldtidspersoner,
    jobindsats_andel_kommune_pct::decimal(9, 2) as jobindsats_andel_kommune_pct,
    jobindsats_andel_landet_pct::decimal(9, 2) as jobindsats_andel_landet_pct,
    diskretioneret
from med_total
