-- The version of a unit by its number in OPUS. Should two units of OS2mo bear one number, the one that got it last has it from that day.
select
    enhed_id,
    enhed_noegle,
    gyldig_fra,
    {{ ended_by_next('gyldig_til', 'gyldig_fra', 'enhed_id') }} as gyldig_til
from {{ ref('dim_organisation_historik') }}
where enhed_id is not null
