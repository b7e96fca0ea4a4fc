-- What record linkage is not sure of, for a person to decide: each pair once, however many rows are written so.
select
    'plan_byg_natur_miljoe' as fagomraade,
    'adresse' as slags,
    'scanxnet' as system_id,
    afgjort.tekst,
    afgjort.husnummer_id as maal,
    husnumre.adgangsadressebetegnelse as forslag,
    afgjort.tillid
from {{ ref('int_adresse__afgjort') }} as afgjort
left join {{ ref('stg_datafordeler__husnumre') }} as husnumre on afgjort.husnummer_id = husnumre.husnummer_id::varchar
where afgjort.udfald = 'gennemsyn'
union all
select
    'hr_it_digitalisering' as fagomraade,
    'leverandoer' as slags,
    'os2kitos' as system_id,
    afgjort.tekst,
    afgjort.cvr_nummer as maal,
    virksomheder.virksomhed as forslag,
    afgjort.tillid
from {{ ref('int_leverandoer__afgjort') }} as afgjort
left join {{ ref('int_leverandoer__register') }} as virksomheder on afgjort.cvr_nummer = virksomheder.cvr_nummer
where afgjort.udfald = 'gennemsyn'
