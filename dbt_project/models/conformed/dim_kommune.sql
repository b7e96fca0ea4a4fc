select
    kommunekode,
    kommune,
    regionskode,
    region
from {{ ref('kommuner') }}
union all
select
    {{ unknown_key() }} as kommunekode,
    'Ukendt' as kommune,
    null as regionskode,
    null as region
