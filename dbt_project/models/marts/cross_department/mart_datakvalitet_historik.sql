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
    raekker,
    fuldstaendighed,
    gyldighed,
    entydighed,
    rettidighed,
    sammenhaeng,
    score
from {{ ref('mart_datakvalitet_score') }}
