-- What a school district has and who is there, today, nothing hidden: children by where they live, places by where they are.
with

boern as (
    select
        borger.skoledistrikt,
        aldersgrupper.tilbudstype,
        count(*) as boern_nu
    from {{ ref('dim_borger') }} as borger
    inner join {{ ref('aldersgrupper') }} as aldersgrupper on borger.aldersgruppe = aldersgrupper.aldersgruppe
    where
        current_date between borger.gyldig_fra and borger.gyldig_til
        and borger.kommunekode = {{ own_municipality() }}
        and aldersgrupper.tilbudstype is not null
    group by 1, 2
),

institutioner as (
    select
        institutionsnummer,
        skoledistrikt,
        coalesce(institutionstype, 'ukendt') as tilbudstype,
        enhed_id,
        pladser,
        current_date between gyldig_fra and gyldig_til as er_aaben
    from {{ ref('dim_institution') }}
    where institutionsnummer <> {{ unknown_key() }}
),

gaar_der as (
    select distinct
        institutioner.skoledistrikt,
        institutioner.tilbudstype,
        institutioner.institutionsnummer,
        coalesce(indskrivning.person_id, {{ nobody() }}) as person_id
    from {{ ref('fct_indskrivning') }} as indskrivning
    inner join institutioner on indskrivning.institutionsnummer = institutioner.institutionsnummer
    where current_date between indskrivning.startdato and coalesce(indskrivning.slutdato, date '9999-12-31')
),

-- The institutions of which mart_klima_drift hides how many children they have: their district may not tell it.
pr_institution as (
    select
        skoledistrikt,
        tilbudstype,
        institutionsnummer,
        count(*) as antal
    from gaar_der
    group by 1, 2, 3
),

skjulte as (
    select
        skoledistrikt,
        tilbudstype,
        {{ hidden_cell('antal', ['true'], 'institutionsnummer') }} as skjules
    from pr_institution
),

indskrevne as (
    select
        gaar_der.skoledistrikt,
        gaar_der.tilbudstype,
        count(distinct gaar_der.person_id) as indskrevne,
        bool_or(skjulte.skjules) as skjult_institution
    from gaar_der
    inner join skjulte on gaar_der.skoledistrikt = skjulte.skoledistrikt and gaar_der.tilbudstype = skjulte.tilbudstype
    group by 1, 2
),

-- A unit's address as it is now; of two periods that meet, the later one.
enheder as (
    select
        enhed_id,
        husnummer_id
    from {{ ref('stg_os2mo__enheder') }}
    where current_date between gyldig_fra and coalesce(gyldig_til, date '9999-12-31')
    qualify row_number() over (partition by enhed_id order by gyldig_fra desc, registreret_tidspunkt desc) = 1
),

-- What has closed has neither places nor floor, and institutions that share an address have its floor between them.
arealer as (
    select
        steder.skoledistrikt,
        steder.tilbudstype,
        sum(bygning.samlet_areal) as areal_m2
    from (
        select distinct
            institutioner.skoledistrikt,
            institutioner.tilbudstype,
            enheder.husnummer_id
        from institutioner
        inner join enheder on institutioner.enhed_id = enheder.enhed_id
        where institutioner.er_aaben
    ) as steder
    inner join {{ ref('dim_bygning') }} as bygning on steder.husnummer_id::varchar = bygning.husnummer_id
    group by 1, 2
),

pladser as (
    select
        skoledistrikt,
        tilbudstype,
        sum(pladser) filter (where er_aaben) as pladser
    from institutioner
    group by 1, 2
),

boliger as (
    select
        coalesce(distrikter.skoledistrikt, {{ unknown_key() }}) as skoledistrikt,
        count(*) filter (where bygge.status = 'OPEN') as boligsager,
        count(*) filter (where bygge.status = 'GRANTED' and bygge.afgjort_dato > current_date - interval 24 month) as boligtilladelser
    from {{ ref('stg_geoenviron__byggesager') }} as bygge
    left join {{ ref('skoledistrikter') }} as distrikter on bygge.vejkode = distrikter.vejkode
    where bygge.sagstype = 'ENFAM'
    group by 1
),

steder as (
    select
        distrikter.skoledistrikt,
        aldersgrupper.tilbudstype
    from {{ ref('dim_skoledistrikt') }} as distrikter
    cross join {{ ref('aldersgrupper') }} as aldersgrupper
    where aldersgrupper.tilbudstype is not null
    union distinct
    select
        skoledistrikt,
        tilbudstype
    from pladser
)

select
    steder.skoledistrikt,
    steder.tilbudstype,
    coalesce(boern.boern_nu, 0) as boern_nu,
    coalesce(indskrevne.indskrevne, 0) as indskrevne,
    coalesce(indskrevne.skjult_institution, false) as skjult_institution,
    coalesce(pladser.pladser, 0) as pladser,
    coalesce(arealer.areal_m2, 0) as areal_m2,
    coalesce(boliger.boligsager, 0) as boligsager,
    coalesce(boliger.boligtilladelser, 0) as boligtilladelser
from steder
left join boern on steder.skoledistrikt = boern.skoledistrikt and steder.tilbudstype = boern.tilbudstype
left join indskrevne on steder.skoledistrikt = indskrevne.skoledistrikt and steder.tilbudstype = indskrevne.tilbudstype
left join pladser on steder.skoledistrikt = pladser.skoledistrikt and steder.tilbudstype = pladser.tilbudstype
left join arealer on steder.skoledistrikt = arealer.skoledistrikt and steder.tilbudstype = arealer.tilbudstype
-- Homes stand once in each of the two full sets of districts: a third, with some of them, would tell what the two hide.
left join boliger on steder.skoledistrikt = boliger.skoledistrikt and steder.tilbudstype <> 'ukendt'
