select
    systemer.department_title as fagomraade,
    loads.system_id,
    systemer.title as system,
    loads.table_name as tabel,
    {{ danish_time('loads.started_at') }} as paabegyndt,
    loads.status,
    loads.seconds::decimal(18, 3) as sekunder,
    loads.rows as raekker_hentet,
    loads.rejects as raekker_frasorteret,
    loads.changed_rows as raekker_aendret,
    loads.table_rows as raekker,
    loads.bytes,
    coalesce(len(json_keys(loads.checks)), 0)::integer as kontroller,
    case regexp_extract(loads.checks, '"control_totals": "(\w+)', 1) when 'passed' then 'stemmer' when 'failed' then 'afviger' end as kildens_summer,
    nullif(array_to_string(regexp_extract_all(loads.checks, '"(\w+)": "(?:warned|failed)', 1), ', '), '') as kontroller_ikke_bestaaet
from {{ source('platform', 'loads') }} as loads
inner join {{ source('platform', 'systems') }} as systemer on loads.system_id = systemer.system_id
