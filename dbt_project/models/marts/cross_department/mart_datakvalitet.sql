-- How often, never which value: values stay in the quarantine.
select
    systemer.department_title as fagomraade,
    karantaene.system_id,
    systemer.title as system,
    karantaene.table_name as tabel,
    coalesce(karantaene.column_name, '') as kolonne,
    karantaene.reason as aarsag,
    count(*)::bigint as antal,
    count(*) filter (where karantaene.row_dropped)::bigint as heraf_raekken_mangler,
    systemer.steward_team as dataansvarlig,
    systemer.steward_email as dataansvarlig_email
from {{ ref('quarantine') }} as karantaene
inner join {{ source('platform', 'systems') }} as systemer on karantaene.system_id = systemer.system_id
group by all
