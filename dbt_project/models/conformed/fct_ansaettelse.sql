-- From the first day to the last, whatever changed in between: its versions are in dim_medarbejder.
with

ansaettelser as (
    select
        medarbejdernummer,
        max_by(person_id, gyldig_fra) as person_id,
        min(gyldig_fra) as startdato,
        nullif(max(gyldig_til), date '9999-12-31') as slutdato,
        min_by(medarbejder_noegle, gyldig_fra) as medarbejder_noegle,
        max_by(medarbejder_noegle, gyldig_fra) as sidste_medarbejder_noegle,
        min_by(enhed_id, gyldig_fra) as enhed_id,
        max_by(enhed_id, gyldig_fra) as sidste_enhed_id,
        -- A version may tell no hours; it is the last that counts, not the last that does.
        max_by({ 'ugetimer': ugetimer, 'grad': beskaeftigelsesgrad }, gyldig_fra) as aftalt
    from {{ ref('dim_medarbejder') }}
    where medarbejdernummer <> {{ unknown_key() }}
    group by medarbejdernummer
)

select
    ansaettelser.medarbejdernummer,
    ansaettelser.person_id,
    ansaettelser.startdato,
    ansaettelser.slutdato,
    ansaettelser.medarbejder_noegle,
    ansaettelser.sidste_medarbejder_noegle,
    ansaettelser.enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    ansaettelser.sidste_enhed_id,
    ansaettelser.aftalt['ugetimer'] as ugetimer,
    ansaettelser.aftalt['grad'] as beskaeftigelsesgrad,
    (ansaettelser.slutdato - ansaettelser.startdato + 1)::integer as dage
from ansaettelser
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', 'ansaettelser.enhed_id', 'ansaettelser.startdato') }}
