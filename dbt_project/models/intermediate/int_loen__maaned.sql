-- Salaries by month and unit, and where they must be hidden: what few employees earn is theirs to tell. Every mart that shows them, alone or
-- among other expenses, asks here: what one hides no other may show.
with

loen as (
    select
        postering.regnskabsmaaned as maaned,
        postering.enhed_id,
        sum(postering.beloeb) as loenudgift
    from {{ ref('fct_postering') }} as postering
    inner join {{ ref('dim_artskonto') }} as konto on postering.artskonto = konto.artskonto
    where konto.hovedart = '1' and postering.dranst = '1'
    group by 1, 2
),

maaneder as (
    select
        maaned,
        max(dato) as sidste_dag
    from {{ ref('dim_dato') }}
    where maaned in (select loen.maaned from loen)
    group by maaned
),

ansatte as (
    {{ employed('count') }}
),

celler as (
    select
        loen.maaned,
        loen.enhed_id,
        coalesce(organisation.center_id, {{ unknown_key() }}) as center_id,
        loen.loenudgift,
        -- Salary in a unit where nobody is known to be employed is somebody's.
        coalesce(ansatte.ansatte, 1) as ansatte
    from loen
    left join ansatte on loen.maaned = ansatte.maaned and loen.enhed_id = ansatte.enhed_id
    left join {{ ref('dim_organisation') }} as organisation on loen.enhed_id = organisation.enhed_id
)

select
    maaned,
    enhed_id,
    loenudgift,
    ansatte::integer as ansatte,
    {{ hidden_cell('ansatte', ['maaned', 'center_id'], 'enhed_id', published=false) }} as skjules
from celler
