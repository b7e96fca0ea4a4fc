-- A case system tells of the days on which cases came in and were closed.
with

dage as (
    select
        system_id,
        aabnet_dato as dato
    from {{ ref('fct_sag') }}
    union all
    select
        system_id,
        lukket_dato as dato
    from {{ ref('fct_sag') }}
)

{{ coverage('system_id', 'dage', 'dato') }}
