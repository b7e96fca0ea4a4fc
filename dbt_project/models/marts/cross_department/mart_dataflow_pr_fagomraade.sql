with

indlaesninger as (
    {{ newest_loads() }}
),

kolonner as (
    select
        columns.system_id,
        columns.table_name,
        count(*) as kolonner,
        count(*) filter (where columns.direct_identifier or columns.free_text) as kolonner_i_raazonen,
        max(columns.pii) as hoejeste_klasse,
        string_agg(
            distinct coalesce(domaener.noegledomaene_navn, columns.key_domain), ', ' order by coalesce(domaener.noegledomaene_navn, columns.key_domain)
        ) as noegler
    from {{ source('platform', 'system_columns') }} as columns
    left join {{ ref('noegledomaener') }} as domaener on columns.key_domain = domaener.noegledomaene
    group by columns.system_id, columns.table_name
)

select
    systemer.department_title as fagomraade,
    systemer.system_id,
    systemer.title as system,
    tabeller.table_name as tabel,
    tabeller.title as tabel_navn,
    tabeller.description as beskrivelse,
    systemer.owner_team as ejer,
    systemer.protocol as adgangsvej,
    systemer.cadence as kadence,
    tabeller.write_mode as skrivemaade,
    kolonner.kolonner::integer as kolonner,
    kolonner.kolonner_i_raazonen::integer as kolonner_i_raazonen,
    kolonner.hoejeste_klasse,
    kolonner.noegler,
    systemer.purpose as formaal,
    systemer.legal_basis as retsgrundlag,
    indlaesninger.raekker,
    indlaesninger.seneste_status,
    {{ danish_time('indlaesninger.sidst_ok') }} as sidst_indlaest
from {{ source('platform', 'system_tables') }} as tabeller
inner join {{ source('platform', 'systems') }} as systemer on tabeller.system_id = systemer.system_id
left join kolonner on tabeller.system_id = kolonner.system_id and tabeller.table_name = kolonner.table_name
left join indlaesninger on tabeller.system_id = indlaesninger.system_id and tabeller.table_name = indlaesninger.table_name
