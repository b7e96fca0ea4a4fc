-- Who lives in a summer house at the end of a month: the address in CPR, its building in BBR. BBR tells of the use as it is now. Months
-- are those in which care was given; visits to come are cancelled beforehand.
with

maaneder as (
    select
        dato.maaned,
        max(dato.dato) as dag
    from {{ ref('dim_dato') }} as dato
    inner join {{ ref('int_omsorg__daekning') }} as daekning
        on dato.dato between date_trunc('month', daekning.fra_dato)::date and daekning.til_dato
    group by dato.maaned
),

-- CPR pads a house number to three digits, DAR does not.
sommerhuse as (
    select distinct
        husnumre.vejkode,
        upper(husnumre.husnummer) as husnummer
    from {{ ref('stg_datafordeler__husnumre') }} as husnumre
    inner join {{ ref('dim_bygning') }} as bygning on husnumre.husnummer_id::varchar = bygning.husnummer_id
    where bygning.anvendelseskode = '510'
),

-- An address holds until the day before the next; of two from the same day one counts.
adresser as (
    select
        person_id,
        vejkode,
        coalesce(upper(ltrim(husnr, '0')), '') as husnummer,
        tilflytningsdato as fra_dato,
        coalesce(lead(tilflytningsdato) over flytninger - 1, date '9999-12-31') as til_dato
    from {{ ref('stg_cpr_sf6002__adresser') }}
    where person_id is not null
    window flytninger as (partition by person_id order by tilflytningsdato, vejkode, husnr)
),

-- The few first: joined with months, all addresses are forty times as many, and so are all versions of citizens.
boende as materialized (
    select
        adresser.person_id,
        adresser.fra_dato,
        adresser.til_dato
    from adresser
    inner join sommerhuse on adresser.vejkode = sommerhuse.vejkode and adresser.husnummer = sommerhuse.husnummer
),

ved_maanedens_udgang as materialized (
    select
        maaneder.maaned,
        maaneder.dag,
        boende.person_id
    from boende
    inner join maaneder on maaneder.dag between boende.fra_dato and boende.til_dato
)

select
    bopael.maaned,
    bopael.dag,
    bopael.person_id,
    borger.skoledistrikt,
    case when borger.aldersgruppe in ('67-79 år', '80 år og derover') then borger.aldersgruppe else 'Under 67 år eller ukendt' end as aldersgruppe
from ved_maanedens_udgang as bopael
inner join {{ ref('dim_borger') }} as borger
    on bopael.person_id = borger.person_id and bopael.dag between borger.gyldig_fra and borger.gyldig_til
-- Who is protected is placed nowhere, nor in a kind of house.
where borger.kommunekode = {{ own_municipality() }} and not borger.adressebeskyttet
