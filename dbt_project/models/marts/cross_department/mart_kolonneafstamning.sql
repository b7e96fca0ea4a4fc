-- serving/lineage.py reads this out of the models' own SQL each time they change.
select
    afstamning.mart,
    afstamning.mart_column as kolonne,
    afstamning.kind as oprindelse,
    coalesce(afstamning.system_id, '') as system_id,
    systemer.title as system,
    systemer.department_title as fagomraade,
    afstamning.table_name as tabel,
    afstamning.source_column as kildekolonne,
    kolonner.label as kildekolonne_navn,
    if(afstamning.direct, 'værdi', 'betingelse') as anvendelse,
    afstamning.depth as trin,
    afstamning.path as vej
from {{ source('platform', 'column_lineage') }} as afstamning
left join {{ source('platform', 'systems') }} as systemer on afstamning.system_id = systemer.system_id
left join {{ source('platform', 'system_columns') }} as kolonner
    on
        afstamning.system_id = kolonner.system_id
        and afstamning.table_name = kolonner.table_name
        and afstamning.source_column = kolonner.source_name
