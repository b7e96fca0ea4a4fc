-- One row a version. Padded and unpadded, a cost centre may stand there twice; one that is not closed ends where the next begins.
with

versioner as (
    select
        {{ unpadded('omkostningssted') }} as omkostningssted,
        omkostningssted_navn,
        enhed_id,
        fagomraade,
        funktion,
        gyldig_fra,
        gyldig_til
    from {{ ref('stg_opus_oekonomi__omkostningssteder') }}
    qualify row_number() over (partition by {{ unpadded('omkostningssted') }}, gyldig_fra order by gyldig_til desc nulls first) = 1
)

select
    {{ version_key('versioner.omkostningssted', 'versioner.gyldig_fra') }} as omkostningssted_noegle,
    versioner.omkostningssted,
    versioner.gyldig_fra,
    {{ ended_by_next('versioner.gyldig_til', 'versioner.gyldig_fra', 'versioner.omkostningssted') }} as gyldig_til,
    versioner.omkostningssted_navn,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    versioner.fagomraade,
    versioner.funktion
from versioner
left join {{ ref('dim_organisation') }} as organisation on versioner.enhed_id = organisation.enhed_id
union all
select
    {{ unknown_key() }} as omkostningssted_noegle,
    {{ unknown_key() }} as omkostningssted,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til,
    'Ukendt' as omkostningssted_navn,
    {{ unknown_key() }} as enhed_id,
    null as fagomraade,
    null as funktion
