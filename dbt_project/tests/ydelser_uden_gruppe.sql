-- A benefit that seeds/ydelser.csv does not know has no function to reconcile on. Source data: Ydelsesteamet adds it to the look-up.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'ydelser'}}}) }}

select
    beregninger.ydelse,
    count(*) as uger
from {{ ref('stg_ydelsesrefusion__beregninger') }} as beregninger
left join {{ ref('ydelser') }} as ydelser on beregninger.ydelse = ydelser.ydelse
where ydelser.ydelse is null
group by beregninger.ydelse
