select
    {{ unpadded('steder.omkostningssted') }} as omkostningssted,
    steder.omkostningssted_navn,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    steder.fagomraade,
    steder.funktion,
    steder.gyldig_fra,
    steder.gyldig_til
from {{ ref('stg_opus_oekonomi__omkostningssteder') }} as steder
left join {{ ref('dim_organisation') }} as organisation on steder.enhed_id = organisation.enhed_id
-- Padded and unpadded, a cost centre may stand there twice.
qualify row_number() over (partition by {{ unpadded('steder.omkostningssted') }} order by steder.gyldig_fra desc nulls last) = 1
union all
select
    {{ unknown_key() }} as omkostningssted,
    'Ukendt' as omkostningssted_navn,
    {{ unknown_key() }} as enhed_id,
    null as fagomraade,
    null as funktion,
    null as gyldig_fra,
    null as gyldig_til
