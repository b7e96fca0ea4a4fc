-- Building cases: what comes in, what is decided, what lies waiting, how long it takes, and how many there are to do it.
with

sager as (
    select
        sag.sag_id,
        kle.titel as emne,
        sag.aabnet_dato,
        sag.lukket_dato,
        sag.sagsbehandlingsdage,
        bygge.gebyr
    from {{ ref('fct_sag') }} as sag
    inner join {{ ref('dim_kle') }} as kle on sag.kle_emne = kle.kle_emne
    inner join {{ ref('stg_geoenviron__byggesager') }} as bygge on sag.sag_id = bygge.byggesag_id::varchar
    where sag.system_id = 'geoenviron'
),

maaneder as (
    select
        maaned,
        max(dato) as sidste_dag
    from {{ ref('dim_dato') }}
    where dato between (select min(sager.aabnet_dato) from sager) and current_date - 1
    group by maaned
),

emner as (
    select coalesce(emne, 'I alt') as emne
    from sager
    group by grouping sets ((emne), ())
),

-- Staffing stands for all building cases together: nobody is employed for one subject.
ansatte as (
    select
        maaneder.maaned,
        count(distinct coalesce(medarbejder.person_id::varchar, 'ukendt')) as antal_ansatte,
        sum(medarbejder.beskaeftigelsesgrad) as aarsvaerk
    from maaneder
    inner join {{ ref('dim_medarbejder') }} as medarbejder
        on maaneder.sidste_dag between medarbejder.gyldig_fra and medarbejder.gyldig_til
    inner join {{ ref('dim_organisation') }} as organisation on medarbejder.enhed_id = organisation.enhed_id
    where organisation.enhed = 'Byggesager'
    group by maaneder.maaned
),

-- At the counter a subject is the queue's. Nobody's name is there, only that a number was drawn.
henvendelser as (
    select
        date_trunc('month', henvendelse.dato)::date as maaned,
        coalesce(kle.titel, 'I alt') as emne,
        count(*) as antal
    from {{ ref('fct_borgerhenvendelse') }} as henvendelse
    inner join {{ ref('dim_kle') }} as kle on henvendelse.kle_emne = kle.kle_emne
    where kle.titel in (select sager.emne from sager)
    group by grouping sets ((1, kle.titel), (1))
),

flow as (
    select
        maaneder.maaned,
        emner.emne,
        count(*) filter (where date_trunc('month', sager.aabnet_dato) = maaneder.maaned) as modtagne,
        count(*) filter (where date_trunc('month', sager.lukket_dato) = maaneder.maaned) as afgjorte,
        count(*) filter (where sager.aabnet_dato <= maaneder.sidste_dag and (sager.lukket_dato is null or sager.lukket_dato > maaneder.sidste_dag))
            as verserende,
        median(sager.sagsbehandlingsdage) filter (where date_trunc('month', sager.lukket_dato) = maaneder.maaned) as median_dage,
        sum(sager.gebyr) filter (where date_trunc('month', sager.lukket_dato) = maaneder.maaned) as gebyr
    from maaneder
    cross join emner
    left join sager on emner.emne in (sager.emne, 'I alt')
    group by maaneder.maaned, emner.emne
)

select
    flow.maaned,
    flow.emne,
    flow.modtagne::integer as modtagne,
    flow.afgjorte::integer as afgjorte,
    flow.verserende::integer as verserende,
    flow.median_dage::decimal(9, 1) as median_sagsbehandlingsdage,
    coalesce(flow.gebyr, 0)::decimal(18, 2) as gebyr,
    coalesce(henvendelser.antal, 0)::integer as henvendelser,
    case when flow.emne = 'I alt' then {{ suppress('ansatte.antal_ansatte', 'ansatte.aarsvaerk') }} end::decimal(9, 2) as aarsvaerk,
    case
        when flow.emne = 'I alt' then {{ suppress('ansatte.antal_ansatte', 'flow.afgjorte / nullif(ansatte.aarsvaerk, 0)') }}
    end::decimal(9, 2) as afgjorte_pr_aarsvaerk,
    flow.emne = 'I alt' and {{ is_small('ansatte.antal_ansatte') }} as diskretioneret
from flow
left join ansatte on flow.maaned = ansatte.maaned
left join henvendelser on flow.maaned = henvendelser.maaned and flow.emne = henvendelser.emne
