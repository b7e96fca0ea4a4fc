-- Who lives in a summer house at the end of a month: the address in CPR, its building in BBR. BBR tells of the use as it is now. Months
-- are those of which care visits are known.
with

maaneder as (
    select
        maaned,
        max(dato) as dag
    from {{ ref('dim_dato') }}
    where
        dato between (select date_trunc('month', min(besoeg.dato))::date from {{ ref('fct_leveret_omsorg') }} as besoeg)
        and (select max(besoeg.dato) from {{ ref('fct_leveret_omsorg') }} as besoeg)
    group by maaned
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

bopaele as (
    select
        borger.person_id,
        borger.skoledistrikt,
        borger.aldersgruppe,
        maaneder.maaned,
        maaneder.dag,
        arg_max(adresser.vejkode, adresser.tilflytningsdato) as vejkode,
        arg_max(coalesce(upper(ltrim(adresser.husnr, '0')), ''), adresser.tilflytningsdato) as husnummer
    from maaneder
    inner join {{ ref('dim_borger') }} as borger on maaneder.dag between borger.gyldig_fra and borger.gyldig_til
    inner join {{ ref('stg_cpr_sf6002__adresser') }} as adresser
        on borger.person_id = adresser.person_id and maaneder.dag >= adresser.tilflytningsdato
    where borger.kommunekode = '0306'
    group by all
)

select
    bopaele.maaned,
    bopaele.dag,
    bopaele.person_id,
    bopaele.skoledistrikt,
    case when bopaele.aldersgruppe in ('67-79 år', '80 år og derover') then bopaele.aldersgruppe else 'Under 67 år eller ukendt' end as aldersgruppe
from bopaele
inner join sommerhuse on bopaele.vejkode = sommerhuse.vejkode and bopaele.husnummer = sommerhuse.husnummer
