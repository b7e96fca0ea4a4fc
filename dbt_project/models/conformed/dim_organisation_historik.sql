-- OS2mo's validities follow each other; should one reach into the next, the later one wins from its first day.
select
    {{ version_key('enhed_uuid', 'gyldig_fra') }} as enhed_noegle,
    enhed_uuid,
    enhed_id,
    gyldig_fra,
    {{ ended_by_next('gyldig_til', 'gyldig_fra', 'enhed_uuid') }} as gyldig_til,
    registreret_tidspunkt,
    coalesce(enhed, enhed_id) as enhed,
    enhedstype,
    overordnet_enhed_uuid
from {{ ref('stg_os2mo__enheder') }}
union all
select
    {{ unknown_key() }} as enhed_noegle,
    null as enhed_uuid,
    {{ unknown_key() }} as enhed_id,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til,
    null as registreret_tidspunkt,
    'Ukendt' as enhed,
    null as enhedstype,
    null as overordnet_enhed_uuid
