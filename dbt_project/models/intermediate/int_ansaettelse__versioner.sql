-- OPUS sends a whole row per change and, when somebody leaves, a row with nothing but the date. That row ends the one before it.
with

versioner as (
    select
        *,
        row_number() over ansaettelse as nummer,
        lead(aendret) over ansaettelse as naeste_aendret,
        lead(haendelse) over ansaettelse as naeste_haendelse
    from {{ ref('stg_opus_loen__ansaettelser') }}
    window ansaettelse as (partition by medarbejdernummer order by aendret)
),

perioder as (
    select
        medarbejdernummer,
        person_id,
        enhed_id,
        stilling,
        stillingskode,
        loentrin,
        ugetimer,
        fuldtid_timer,
        ansat_fra,
        -- The first version tells of the employment since it began, whenever it was sent; none tells of days before it begins.
        case when nummer = 1 then coalesce(ansat_fra, aendret) else greatest(aendret, ansat_fra) end as gyldig_fra,
        least(
            coalesce(ansat_til, date '9999-12-31'),
            coalesce(case when naeste_haendelse = 'leave' then naeste_aendret else naeste_aendret - 1 end, date '9999-12-31')
        )::date as gyldig_til
    from versioner
    where haendelse is distinct from 'leave'
)

-- Who is announced and changed before the first day has no version from before it.
select *
from perioder
where gyldig_fra <= gyldig_til
