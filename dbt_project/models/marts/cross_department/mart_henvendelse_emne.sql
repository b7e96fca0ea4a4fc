-- What people come and call about. Building cases are a set of their own: mart_sagsflow shows their calls month by month, small or not,
-- and whoever took them from a common total would have what is hidden here. A year, for in a month nearly all is small.
with

byggeemner as (
    select distinct kle_emne
    from {{ ref('fct_sag') }}
    where system_id = 'geoenviron' and kle_emne <> {{ unknown_key() }}
),

henvendelser as (
    select
        year(dato) as aar,
        kle_emne,
        count(*) as henvendelser,
        count(*) filter (where udfald = 'U') as udeblevne,
        count(ventetid_minutter) as maalte,
        sum(ventetid_minutter) as ventetid
    from {{ ref('fct_borgerhenvendelse') }}
    group by 1, 2
),

telefonnotater as (
    select
        year(haendelse.dato) as aar,
        sag.kle_emne,
        count(*) as telefonnotater,
        count(distinct sag.sag_noegle) as sager_med_telefonnotat
    from {{ ref('fct_sagshaendelse') }} as haendelse
    inner join {{ ref('dim_sag') }} as sag on haendelse.sag_noegle = sag.sag_noegle
    where haendelse.haendelse = 'T'
    group by 1, 2
),

celler as (
    select
        if(byggeemner.kle_emne is null, 'Øvrige emner', 'Byggesager') as emneomraade,
        coalesce(henvendelser.aar, telefonnotater.aar) as aar,
        coalesce(henvendelser.kle_emne, telefonnotater.kle_emne) as kle_emne,
        coalesce(henvendelser.henvendelser, 0) as henvendelser,
        coalesce(henvendelser.udeblevne, 0) as udeblevne,
        henvendelser.maalte,
        henvendelser.ventetid,
        coalesce(telefonnotater.telefonnotater, 0) as telefonnotater,
        coalesce(telefonnotater.sager_med_telefonnotat, 0) as sager_med_telefonnotat
    from henvendelser
    full join telefonnotater on henvendelser.aar = telefonnotater.aar and henvendelser.kle_emne = telefonnotater.kle_emne
    left join byggeemner on coalesce(henvendelser.kle_emne, telefonnotater.kle_emne) = byggeemner.kle_emne
    where coalesce(henvendelser.aar, telefonnotater.aar) is not null
),

valgt as (
    select
        *,
        emneomraade <> 'Byggesager'
        and {{ hidden_cell('sager_med_telefonnotat', ['aar', 'emneomraade'], 'kle_emne') }} as diskretioneret
    from celler
),

med_total as (
    select * from valgt
    union all by name
    select
        emneomraade,
        aar,
        'I alt' as kle_emne,
        sum(henvendelser) as henvendelser,
        sum(udeblevne) as udeblevne,
        sum(maalte) as maalte,
        sum(ventetid) as ventetid,
        sum(telefonnotater) as telefonnotater,
        sum(sager_med_telefonnotat) as sager_med_telefonnotat,
        emneomraade <> 'Byggesager'
        and {{ hidden_total('sager_med_telefonnotat', 'diskretioneret', 'sum(sager_med_telefonnotat)') }} as diskretioneret
    from valgt
    group by emneomraade, aar
),

-- Of years of which a system tells nothing, nobody knows whether anybody came or called.
kendt as (
    select
        {{ covered('skranken', ref('int_borgerhenvendelse__daekning'), 'skranken', period='year') }},
        {{ covered('noter', ref('int_sagshaendelse__daekning'), 'noter', period='year') }}
)

select
    med_total.aar::integer as aar,
    med_total.emneomraade,
    med_total.kle_emne,
    coalesce(kle.titel, med_total.kle_emne) as emne,
    kle.hovedgruppe_titel as hovedgruppe,
    {{ known('nullif(med_total.henvendelser, 0)', 'make_date(med_total.aar, 1, 1)', 'kendt.skranken') }}::integer as henvendelser,
    {{ known('nullif(med_total.udeblevne, 0)', 'make_date(med_total.aar, 1, 1)', 'kendt.skranken') }}::integer as udeblevne,
    (med_total.ventetid / nullif(med_total.maalte, 0))::decimal(9, 1) as ventetid_minutter,
    {% for count in ['telefonnotater', 'sager_med_telefonnotat'] -%}
    case
        when not med_total.diskretioneret then {{ known('nullif(med_total.' ~ count ~ ', 0)', 'make_date(med_total.aar, 1, 1)', 'kendt.noter', among='med_total.aar, med_total.emneomraade') }}
    end::integer as {{ count }},
    {% endfor -%}
    med_total.diskretioneret
from med_total
cross join kendt
left join {{ ref('dim_kle') }} as kle on med_total.kle_emne = kle.kle_emne
