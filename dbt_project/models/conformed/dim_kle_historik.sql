-- Subjects edition by edition. Editions that were never fetched are held by the first that was, from the day the subject was made; a
-- subject ends on the day it was retired, whichever edition says so, and what an edition says of it after that is no version.
with

udgaver as (
    select
        *,
        udgave = min(udgave) over (partition by kle_emne) as foerste,
        max(udgaaet_dato) over (partition by kle_emne) as udgaaet
    from {{ ref('stg_kle__emner') }}
    where length(kle_emne) = 8
),

versioner as (
    select
        *,
        if(foerste, least(udgave, coalesce(oprettet_dato, udgave)), udgave) as gyldig_fra
    from udgaver
)

select
    {{ version_key('kle_emne', 'udgave') }} as kle_noegle,
    kle_emne,
    udgave,
    gyldig_fra,
    {{ ended_by_next('udgaaet', 'gyldig_fra', 'kle_emne') }} as gyldig_til,
    titel,
    gruppe,
    gruppe_titel,
    hovedgruppe,
    hovedgruppe_titel,
    slettes_efter,
    bevaring,
    emne_uuid
from versioner
where gyldig_fra <= coalesce(udgaaet, date '9999-12-31')
union all
select
    {{ unknown_key() }} as kle_noegle,
    {{ unknown_key() }} as kle_emne,
    null as udgave,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til,
    'Ukendt' as titel,
    null as gruppe,
    null as gruppe_titel,
    null as hovedgruppe,
    null as hovedgruppe_titel,
    null as slettes_efter,
    null as bevaring,
    null as emne_uuid
