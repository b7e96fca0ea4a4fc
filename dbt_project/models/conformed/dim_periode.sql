-- The accounting periods: the twelve months, and 13 for what belongs to a year that is over. Its days are the year's last.
with

aar as (
    select
        regnskabsaar,
        unnest(range(1, 14))::integer as periode
    from {{ ref('dim_dato') }}
    group by regnskabsaar
),

perioder as (
    select
        regnskabsaar,
        periode,
        make_date(regnskabsaar, least(periode, 12), 1) as maaned
    from aar
)

select
    {{ period_key('regnskabsaar', 'periode') }} as periode_noegle,
    regnskabsaar,
    periode,
    if(periode = 13, 'Supplement ' || regnskabsaar, strftime(maaned, '%m-%Y')) as periode_navn,
    maaned,
    if(periode = 13, last_day(maaned), maaned) as foerste_dag,
    last_day(maaned) as sidste_dag,
    periode = 13 as er_supplement
from perioder
union all
select
    {{ unknown_key() }} as periode_noegle,
    null as regnskabsaar,
    null as periode,
    'Ukendt' as periode_navn,
    null as maaned,
    null as foerste_dag,
    null as sidste_dag,
    false as er_supplement
