-- One day's figures a day: a build that is repeated replaces its own day, and days that are over stay, in a full rebuild too.
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='dato',
    full_refresh=false,
    on_schema_change='append_new_columns'
) }}
select
    current_date as dato,
    fagomraade,
    system_id,
    system,
    aarsag,
    sum(antal)::bigint as antal,
    sum(heraf_raekken_mangler)::bigint as heraf_raekken_mangler
from {{ ref('mart_datakvalitet') }}
group by all
