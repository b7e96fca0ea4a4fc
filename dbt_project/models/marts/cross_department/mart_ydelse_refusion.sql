with

ydelser as (
    select
        date_trunc('month', uge_mandag)::date as maaned,
        ydelsesgruppe,
        count(distinct person_id) as personer,
        count(*) as uger,
        sum(beloeb) as brutto,
        sum(refusion) as refusion,
        sum(kommunal_andel) as kommunal_andel
    from {{ ref('fct_ydelse') }}
    group by 1, 2
),

-- Conversations with those who have the benefit in the month.
modtagere as (
    select distinct
        date_trunc('month', uge_mandag)::date as maaned,
        ydelsesgruppe,
        person_id
    from {{ ref('fct_ydelse') }}
),

samtaler as (
    select
        modtagere.maaned,
        modtagere.ydelsesgruppe,
        count(*) as samtaler
    from {{ ref('fct_kontaktforloeb') }} as kontakt
    inner join modtagere
        on kontakt.person_id = modtagere.person_id and date_trunc('month', kontakt.dato)::date = modtagere.maaned
    where kontakt.udfald = 'afholdt'
    group by modtagere.maaned, modtagere.ydelsesgruppe
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
-- may lie in the next month. Costs are dranst 1 on the transfers' main kind of account (5), refunds dranst 2, on the group's function.
opus as (
    select
        date_trunc('month', date_trunc('week', postering.bogfoeringsdato))::date as maaned,
        funktioner.ydelsesgruppe,
        sum(postering.beloeb) filter (where postering.dranst = '1') as brutto,
        -sum(postering.beloeb) filter (where postering.dranst = '2') as refusion
    from {{ ref('fct_postering') }} as postering
    inner join {{ ref('dim_konto') }} as konto on postering.artskonto = konto.artskonto
    inner join funktioner on postering.funktion = funktioner.funktion
    where postering.dranst = '2' or konto.hovedart = '5'
    group by 1, 2
),

jobindsats as (
    select
        make_date(left(tal.periode, 4)::integer, right(tal.periode, 2)::integer, 1) as maaned,
        benchmark.ydelsesgruppe,
        sum(tal.fuldtidspersoner) filter (where tal.kommunekode = '0306') as fuldtidspersoner,
        sum(tal.andel_af_befolkning_pct) filter (where tal.kommunekode = '0306') as andel_kommune,
        sum(tal.andel_af_befolkning_pct) filter (where tal.omraadekode = '/0/') as andel_landet
    from {{ ref('stg_jobindsats__ydelsesmodtagere') }} as tal
    inner join benchmark on tal.ydelsesgruppe = benchmark.jobindsats_gruppe
    where regexp_full_match(tal.periode, '\d{4}M(0[1-9]|1[0-2])')
    group by 1, 2
)

select
    ydelser.maaned,
    ydelser.ydelsesgruppe,
    {{ suppress('ydelser.personer', 'ydelser.personer') }}::integer as personer,
    {{ suppress('ydelser.personer', 'ydelser.uger') }}::integer as uger,
    {{ suppress('ydelser.personer', 'ydelser.brutto') }}::decimal(18, 2) as brutto,
    {{ suppress('ydelser.personer', 'ydelser.refusion') }}::decimal(18, 2) as refusion,
    {{ suppress('ydelser.personer', 'ydelser.kommunal_andel') }}::decimal(18, 2) as kommunal_andel,
    {{ suppress('ydelser.personer', 'round(100 * ydelser.refusion / nullif(ydelser.brutto, 0), 2)') }}::decimal(9, 2) as refusionsandel_pct,
    {{ suppress('ydelser.personer', 'coalesce(samtaler.samtaler, 0)') }}::integer as samtaler,
    {{ suppress('ydelser.personer', 'coalesce(opus.brutto, 0)') }}::decimal(18, 2) as opus_brutto,
    {{ suppress('ydelser.personer', 'coalesce(opus.refusion, 0)') }}::decimal(18, 2) as opus_refusion,
    {{ suppress('ydelser.personer', 'ydelser.brutto - coalesce(opus.brutto, 0)') }}::decimal(18, 2) as difference_brutto,
    {{ suppress('ydelser.personer', 'ydelser.refusion - coalesce(opus.refusion, 0)') }}::decimal(18, 2) as difference_refusion,
    jobindsats.fuldtidspersoner::decimal(18, 2) as jobindsats_fuldtidspersoner,
    jobindsats.andel_kommune::decimal(9, 2) as jobindsats_andel_kommune_pct,
    jobindsats.andel_landet::decimal(9, 2) as jobindsats_andel_landet_pct,
    {{ is_small('ydelser.personer') }} as diskretioneret
from ydelser
left join samtaler on ydelser.maaned = samtaler.maaned and ydelser.ydelsesgruppe = samtaler.ydelsesgruppe
left join opus on ydelser.maaned = opus.maaned and ydelser.ydelsesgruppe = opus.ydelsesgruppe
left join jobindsats on ydelser.maaned = jobindsats.maaned and ydelser.ydelsesgruppe = jobindsats.ydelsesgruppe
