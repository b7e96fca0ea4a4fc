-- A cost centre as it is now, or was last.
select
    omkostningssted,
    omkostningssted_navn,
    enhed_id,
    fagomraade,
    funktion,
    nullif(gyldig_fra, date '1900-01-01') as gyldig_fra,
    gyldig_til
from {{ ref('dim_omkostningssted_historik') }}
qualify row_number() over (partition by omkostningssted order by gyldig_fra > current_date, gyldig_fra desc) = 1
