-- Building cases: what comes in, what is decided, what lies waiting, how long it takes, how many there are to do it, and what comes of it:
-- visits to the counter, calls noted on cases and complaints. Complaints and calls are ESDH's, under the subject of the building cases.
with

sager as (
    select
        sag.sag_id,
        sag.kle_emne,
        kle.titel as emne,
        sag.aabnet_dato,
        sag.lukket_dato,
        sag.status,
        sag.sagsbehandlingsdage,
        bygge.gebyr
    from {{ ref('fct_sag') }} as sag
    inner join {{ ref('dim_kle') }} as kle on sag.kle_emne = kle.kle_emne
    inner join {{ ref('stg_geoenviron__byggesager') }} as bygge on sag.sag_id = bygge.byggesag_id::varchar
    where sag.system_id = 'geoenviron'
),

maaneder as (
    select
        dato.maaned,
        max(dato.dato) as sidste_dag
    from {{ ref('dim_dato') }} as dato
    -- Until the last case came in or was decided: a system that stands still says of no later month that nothing came.
    inner join {{ ref('int_sag__daekning') }} as daekning
        on daekning.register = 'geoenviron' and dato.dato between daekning.fra_dato and daekning.til_dato
    group by dato.maaned
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

-- A case whose subject is not known makes no others' unknown subjects its own.
byggeemner as (
    select distinct
        kle_emne,
        emne
    from sager
    where kle_emne <> {{ unknown_key() }}
),

-- At the counter a subject is the queue's. Nobody's name is there, only that a number was drawn. A complaint is a case of its own.
kontakter as (
    select
        dato,
        kle_emne,
        'henvendelse' as slags
    from {{ ref('fct_borgerhenvendelse') }}
    union all
    select
        haendelse.dato,
        sag.kle_emne,
        'telefonnotat' as slags
    from {{ ref('fct_sagshaendelse') }} as haendelse
    inner join {{ ref('dim_sag') }} as sag on haendelse.sag_noegle = sag.sag_noegle
    where haendelse.haendelse = 'T'
    union all
    select
        klage.aabnet_dato as dato,
        klage.kle_emne,
        'klage' as slags
    from {{ ref('fct_sag') }} as klage
    inner join {{ ref('dim_sag') }} as sag on klage.sag_noegle = sag.sag_noegle
    inner join {{ ref('klagefacetter') }} as facet on sag.handlingsfacet = facet.handlingsfacet
    where klage.system_id = 'esdh'
),

kontakter_pr_emne as (
    select
        date_trunc('month', kontakter.dato)::date as maaned,
        coalesce(byggeemner.emne, 'I alt') as emne,
        count(*) filter (where kontakter.slags = 'henvendelse') as henvendelser,
        count(*) filter (where kontakter.slags = 'telefonnotat') as telefonnotater,
        count(*) filter (where kontakter.slags = 'klage') as klager
    from kontakter
    inner join byggeemner on kontakter.kle_emne = byggeemner.kle_emne
    group by grouping sets ((1, byggeemner.emne), (1))
),

flow as (
    select
        maaneder.maaned,
        emner.emne,
        count(*) filter (where date_trunc('month', sager.aabnet_dato) = maaneder.maaned) as modtagne,
        count(*) filter (where date_trunc('month', sager.lukket_dato) = maaneder.maaned) as afgjorte,
        -- What was closed on a day that nobody knows, as when it was withdrawn, does not wait for ever.
        count(*) filter (
            where
            sager.aabnet_dato <= maaneder.sidste_dag
            and if(sager.lukket_dato is null, sager.status = 'Åben', sager.lukket_dato > maaneder.sidste_dag)
        ) as verserende,
        median(sager.sagsbehandlingsdage) filter (where date_trunc('month', sager.lukket_dato) = maaneder.maaned) as median_dage,
        sum(sager.gebyr) filter (where date_trunc('month', sager.lukket_dato) = maaneder.maaned) as gebyr
    from maaneder
    cross join emner
    left join sager on emner.emne in (sager.emne, 'I alt')
    group by maaneder.maaned, emner.emne
),

-- Where a system tells of nothing yet, or no more, nobody knows whether anybody came, called or complained.
kendt as (
    select
        {{ covered('skranken', ref('int_borgerhenvendelse__daekning'), 'skranken') }},
        {{ covered('noter', ref('int_sagshaendelse__daekning'), 'noter') }},
        {{ covered('esdh', ref('int_sag__daekning'), 'esdh') }}
)

select
    flow.maaned,
    flow.emne,
    flow.modtagne::integer as modtagne,
    flow.afgjorte::integer as afgjorte,
    flow.verserende::integer as verserende,
    flow.median_dage::decimal(9, 1) as median_sagsbehandlingsdage,
    coalesce(flow.gebyr, 0)::decimal(18, 2) as gebyr,
    {{ known('nullif(kontakter.henvendelser, 0)', 'flow.maaned', 'kendt.skranken', among='flow.maaned') }}::integer as henvendelser,
    {{ known('nullif(kontakter.telefonnotater, 0)', 'flow.maaned', 'kendt.noter', among='flow.maaned') }}::integer as telefonnotater,
    {{ known('nullif(kontakter.klager, 0)', 'flow.maaned', 'kendt.esdh', among='flow.maaned') }}::integer as klager,
    case when flow.emne = 'I alt' then {{ suppress('ansatte.antal_ansatte', 'ansatte.aarsvaerk') }} end::decimal(9, 2) as aarsvaerk,
    case
        when flow.emne = 'I alt' then {{ suppress('ansatte.antal_ansatte', 'flow.afgjorte / nullif(ansatte.aarsvaerk, 0)') }}
    end::decimal(9, 2) as afgjorte_pr_aarsvaerk,
    flow.emne = 'I alt' and {{ is_small('ansatte.antal_ansatte') }} as diskretioneret
from flow
cross join kendt
left join ansatte on flow.maaned = ansatte.maaned
left join kontakter_pr_emne as kontakter on flow.maaned = kontakter.maaned and flow.emne = kontakter.emne
