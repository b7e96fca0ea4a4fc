select
    institutioner.institutionsnummer,
    institutioner.institution,
    institutioner.institutionstype,
    coalesce(institutioner.skoledistrikt, {{ unknown_key() }}) as skoledistrikt,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as enhed_id,
    {{ unpadded('institutioner.omkostningssted') }} as omkostningssted,
    institutioner.ean_nummer,
    institutioner.p_nummer,
    institutioner.pladser
from {{ ref('stg_kmd_elev__institutioner') }} as institutioner
left join {{ ref('dim_organisation') }} as organisation on institutioner.enhed_id = organisation.enhed_id
union all
select
    {{ unknown_key() }} as institutionsnummer,
    'Ukendt' as institution,
    null as institutionstype,
    {{ unknown_key() }} as skoledistrikt,
    {{ unknown_key() }} as enhed_id,
    null as omkostningssted,
    null as ean_nummer,
    null as p_nummer,
    null as pladser
