{% set boern_hidden = hidden_total('boern', 'skjul_boern', 'sum(boern)') -%}
{% set stigende_hidden = hidden_total('boern_stigende', 'skjul_stigende', 'sum(boern_stigende)', among='skjul_boern', whole=boern_hidden) -%}
{#- The others are known where both they and those who rose are told of. -#}
{% set oevrige_hidden = '(' ~ boern_hidden ~ ' or (not ' ~ stigende_hidden ~ ' and ' ~ is_small('sum(oevrige)') ~ '))' -%}
-- Half-years of which both they and the one before are covered by the absence register, and the twelve months after by notifications.
with

daekning as (
    select
        fra_dato,
        -- One dated after it was last written about is a slip of the pen, and makes no half-year over.
        (
            select max(underretning.modtaget_dato) filter (where underretning.modtaget_dato <= underretning.senest_aendret)
            from {{ ref('stg_dubu__underretninger') }} as underretning
        ) as til_dato
    from {{ ref('int_elevfravaer__daekning') }}
),

halvaar as (
    select distinct
        make_date(aar, if(maaned_nummer < 7, 1, 7), 1) as halvaar,
        (halvaar + interval 6 month)::date - 1 as sidste_dag,
        (halvaar - interval 6 month)::date as forrige
    from {{ ref('dim_dato') }}
),

maalte as (
    select halvaar.*
    from halvaar
    inner join daekning
        on halvaar.forrige >= daekning.fra_dato and (halvaar.sidste_dag + interval 12 month)::date <= daekning.til_dato
),

-- A child belongs to the place it came to last in the half-year.
boern as (
    select
        maalte.halvaar,
        maalte.sidste_dag,
        maalte.forrige,
        indskrivning.person_id,
        indskrivning.institutionsnummer
    from maalte
    inner join {{ ref('fct_indskrivning') }} as indskrivning
        on
            maalte.sidste_dag >= indskrivning.startdato
            and coalesce(indskrivning.slutdato, date '9999-12-31') >= maalte.halvaar
    where indskrivning.person_id is not null and coalesce(indskrivning.slutdato >= indskrivning.startdato, true)
    qualify
        row_number() over (
            partition by maalte.halvaar, indskrivning.person_id order by indskrivning.startdato desc, indskrivning.indskrivning_id desc
        ) = 1
),

-- Who came since the half-year before began has less absence in it for that alone.
fra_foer as (
    select distinct
        maalte.halvaar,
        indskrivning.person_id
    from maalte
    inner join {{ ref('fct_indskrivning') }} as indskrivning
        on maalte.forrige between indskrivning.startdato and coalesce(indskrivning.slutdato, date '9999-12-31')
),

fravaer as (
    select
        boern.halvaar,
        boern.person_id,
        boern.institutionsnummer,
        boern.sidste_dag,
        -- A morning and an afternoon are one day.
        count(distinct fravaer.dato) filter (where fravaer.dato >= boern.halvaar) as dage,
        count(distinct fravaer.dato) filter (where fravaer.dato < boern.halvaar) as dage_foer
    from boern
    left join {{ ref('fct_elevfravaer') }} as fravaer
        on boern.person_id = fravaer.person_id and fravaer.dato between boern.forrige and boern.sidste_dag
    group by boern.halvaar, boern.person_id, boern.institutionsnummer, boern.sidste_dag
),

fulgte as (
    select
        fravaer.*,
        -- A rise is half as much again and three days at the least: a cold more is none.
        fra_foer.person_id is not null and fravaer.dage >= 1.5 * fravaer.dage_foer and fravaer.dage >= fravaer.dage_foer + 3 as stigende,
        exists(
            select 1
            from {{ ref('fct_underretning') }} as underretning
            where
                underretning.person_id = fravaer.person_id
                and underretning.modtaget_dato > fravaer.sidste_dag + interval 3 month
                and underretning.modtaget_dato <= fravaer.sidste_dag + interval 12 month
        ) as underrettet
    from fravaer
    left join fra_foer on fravaer.halvaar = fra_foer.halvaar and fravaer.person_id = fra_foer.person_id
),

celler as (
    select
        halvaar,
        institutionsnummer,
        count(*) as boern,
        sum(dage) as fravaersdage,
        count(*) filter (where stigende) as boern_stigende,
        count(*) filter (where stigende and underrettet) as underrettede_stigende,
        count(*) filter (where not stigende and underrettet) as underrettede_oevrige
    from fulgte
    group by halvaar, institutionsnummer
),

valgte_boern as (
    select
        *,
        {{ hidden_cell('boern', ['halvaar'], 'institutionsnummer') }} as skjul_boern
    from celler
),

valgte_stigende as (
    select
        *,
        {{ hidden_cell('boern_stigende', ['halvaar'], 'institutionsnummer', among='skjul_boern', of='boern') }} as skjul_stigende
    from valgte_boern
),

valgte_oevrige as (
    select
        *,
        boern - boern_stigende as oevrige,
        skjul_boern or (not skjul_stigende and {{ is_small('boern - boern_stigende') }}) as skjul_oevrige
    from valgte_stigende
),

-- Where few children's absence rose, or few others' did not, whether they were notified is hidden too, as it is where few are enrolled.
valgt as (
    select
        *,
        {{ hidden_cell('underrettede_stigende', ['halvaar'], 'institutionsnummer', among='skjul_stigende', of='boern_stigende') }} as skjul_underrettede_stigende,
        {{ hidden_cell('underrettede_oevrige', ['halvaar'], 'institutionsnummer', among='skjul_oevrige', of='oevrige') }} as skjul_underrettede_oevrige
    from valgte_oevrige
),

med_total as (
    select * from valgt
    union all by name
    select
        halvaar,
        'I alt' as institutionsnummer,
        sum(boern) as boern,
        sum(fravaersdage) as fravaersdage,
        sum(boern_stigende) as boern_stigende,
        sum(underrettede_stigende) as underrettede_stigende,
        sum(underrettede_oevrige) as underrettede_oevrige,
        {{ boern_hidden }} as skjul_boern,
        {{ stigende_hidden }} as skjul_stigende,
        {{ hidden_total('underrettede_stigende', 'skjul_underrettede_stigende', 'sum(underrettede_stigende)', among='skjul_stigende', whole=stigende_hidden) }} as skjul_underrettede_stigende,
        {{ hidden_total('underrettede_oevrige', 'skjul_underrettede_oevrige', 'sum(underrettede_oevrige)', among='skjul_oevrige', whole=oevrige_hidden) }} as skjul_underrettede_oevrige
    from valgt
    group by halvaar
),

vist as (
    select
        halvaar,
        institutionsnummer,
        case when not skjul_boern then boern end::integer as boern,
        case when not skjul_boern then fravaersdage end::integer as fravaersdage,
        case when not skjul_stigende then boern_stigende end::integer as boern_stigende,
        case when not skjul_underrettede_stigende then underrettede_stigende end::integer as underrettede_stigende,
        case when not skjul_underrettede_oevrige then underrettede_oevrige end::integer as underrettede_oevrige,
        skjul_boern or skjul_stigende or skjul_underrettede_stigende or skjul_underrettede_oevrige as diskretioneret
    from med_total
)

select
    vist.halvaar,
    vist.institutionsnummer,
    coalesce(institutioner.institution, 'Alle') as institution,
    institutioner.institutionstype,
    vist.boern,
    vist.fravaersdage,
    vist.boern_stigende,
    vist.underrettede_stigende,
    vist.underrettede_oevrige,
    -- Shares of what is shown alone: an empty part leaves the share empty.
    (vist.fravaersdage / nullif(vist.boern, 0))::decimal(9, 2) as fravaersdage_pr_barn,
    (100 * vist.underrettede_stigende / nullif(vist.boern_stigende, 0))::decimal(9, 2) as underrettede_stigende_pct,
    (100 * vist.underrettede_oevrige / nullif(vist.boern - vist.boern_stigende, 0))::decimal(9, 2) as underrettede_oevrige_pct,
    vist.diskretioneret
from vist
left join {{ ref('dim_institution') }} as institutioner on vist.institutionsnummer = institutioner.institutionsnummer
