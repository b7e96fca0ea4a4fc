-- Customers' typed addresses, and the access address in DAR each is.
select
    tekster.kilde,
    kunder.kundenummer::varchar as kildenoegle,
    kunder.adresse as tekst,
    afgjort.husnummer_id,
    afgjort.tillid,
    afgjort.metode,
    coalesce(husnumre.virkning_fra, date '1900-01-01') as gyldig_fra,
    date '9999-12-31' as gyldig_til
from {{ ref('stg_scanxnet__kunder') }} as kunder
inner join {{ ref('int_adresse__tekster') }} as tekster on kunder.adresse = tekster.tekst
inner join {{ ref('int_adresse__afgjort') }} as afgjort on tekster.tekst = afgjort.tekst
left join {{ ref('stg_datafordeler__husnumre') }} as husnumre on afgjort.husnummer_id = husnumre.husnummer_id::varchar
where afgjort.udfald = 'koblet'
