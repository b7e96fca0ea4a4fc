-- Whose an EAN or P-number was, day by day. What two institutions have at the same time tells of neither, and doubles no fact.
select
    numre.nummersystem,
    numre.nummer,
    numre.gyldig_fra,
    numre.gyldig_til,
    numre.institutionsnummer
from {{ ref('xref_institution') }} as numre
where
    numre.nummersystem in ('EAN', 'P-nummer')
    and not exists (
        select 1
        from {{ ref('xref_institution') }} as andre
        where
            numre.nummersystem = andre.nummersystem
            and numre.nummer = andre.nummer
            and numre.institutionsnummer <> andre.institutionsnummer
            and numre.gyldig_fra <= andre.gyldig_til
            and numre.gyldig_til >= andre.gyldig_fra
    )
