-- An institution as it is now, or was last.
select
    institutionsnummer,
    institution,
    institutionstype,
    skoledistrikt,
    enhed_id,
    omkostningssted,
    ean_nummer,
    p_nummer,
    pladser,
    nullif(gyldig_fra, date '1900-01-01') as gyldig_fra,
    gyldig_til
from {{ ref('dim_institution_historik') }}
qualify row_number() over (partition by institutionsnummer order by gyldig_fra > current_date, gyldig_fra desc) = 1
