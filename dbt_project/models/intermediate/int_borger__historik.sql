-- Address history cut to intervals that follow each other, then split where the person grows into the next age band.
with

bopaele as (
    select
        adresser.person_id,
        adresser.kommunekode,
        adresser.vejkode,
        -- CPR pads a house number to three digits, DAR does not.
        upper(ltrim(adresser.husnr, '0')) as husnummer,
        personer.koen,
        personer.foedselsdato,
        adresser.tilflytningsdato as gyldig_fra,
        -- A later move ends this one whatever the register says of its last day; departure and death end the last.
        least(
            {{ ended_by_next('adresser.fraflytningsdato', 'adresser.tilflytningsdato', 'adresser.person_id') }},
            case when personer.status in ('80', '90') then coalesce(personer.status_fra, date '9999-12-31') else date '9999-12-31' end
        )::date as gyldig_til
    from {{ ref('stg_cpr_sf6002__adresser') }} as adresser
    left join {{ ref('stg_cpr_sf6002__personer') }} as personer on adresser.person_id = personer.person_id
),

aldersgrupper as (
    select
        fra_alder,
        aldersgruppe,
        lead(fra_alder) over (order by fra_alder) as naeste_fra_alder
    from {{ ref('aldersgrupper') }}
),

opdelt as (
    select
        bopaele.person_id,
        bopaele.kommunekode,
        bopaele.vejkode,
        bopaele.husnummer,
        bopaele.koen,
        aldersgrupper.aldersgruppe,
        case
            when aldersgrupper.fra_alder > 0
                then greatest(bopaele.gyldig_fra, (bopaele.foedselsdato + to_years(aldersgrupper.fra_alder::integer))::date)
            else bopaele.gyldig_fra
        end as gyldig_fra,
        least(
            bopaele.gyldig_til,
            coalesce(((bopaele.foedselsdato + to_years(aldersgrupper.naeste_fra_alder::integer))::date - 1), date '9999-12-31')
        ) as gyldig_til
    from bopaele
    left join aldersgrupper
        on
            bopaele.foedselsdato is not null
            and (
                aldersgrupper.fra_alder = 0
                or (bopaele.foedselsdato + to_years(aldersgrupper.fra_alder::integer))::date <= bopaele.gyldig_til
            )
            and (
                aldersgrupper.naeste_fra_alder is null
                or (bopaele.foedselsdato + to_years(aldersgrupper.naeste_fra_alder::integer))::date > bopaele.gyldig_fra
            )
)

-- Birthdays to come are known as far as the calendar goes: no day makes these rows, and what is joined to them, anew.
select
    person_id,
    kommunekode,
    vejkode,
    husnummer,
    koen,
    aldersgruppe,
    gyldig_fra,
    if(gyldig_til >= {{ calendar_end() }}, date '9999-12-31', gyldig_til) as gyldig_til
from opdelt
where gyldig_fra <= least(gyldig_til, {{ calendar_end() }})
