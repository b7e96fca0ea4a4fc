select distinct
    skoledistrikt,
    skoledistrikt_navn
from {{ ref('skoledistrikter') }}
union all
select
    {{ unknown_key() }} as skoledistrikt,
    'Ukendt, beskyttet eller uden for kommunen' as skoledistrikt_navn
