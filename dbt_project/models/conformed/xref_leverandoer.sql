-- Suppliers that a contract names without their number, and the company each is.
select
    tekster.kilde,
    systemer.it_system_uuid::varchar as kildenoegle,
    systemer.leverandoer_navn as tekst,
    afgjort.cvr_nummer,
    afgjort.tillid,
    afgjort.metode,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til
from {{ ref('stg_os2kitos__it_systemer') }} as systemer
inner join {{ ref('int_leverandoer__tekster') }} as tekster on systemer.leverandoer_navn = tekster.tekst
inner join {{ ref('int_leverandoer__afgjort') }} as afgjort on tekster.tekst = afgjort.tekst
where systemer.leverandoer_cvr is null and afgjort.udfald = 'koblet'
