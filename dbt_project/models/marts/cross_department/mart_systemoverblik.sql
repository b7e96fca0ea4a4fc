with

indlaesninger as (
    {{ newest_loads() }}
),

-- A system is as fresh as its oldest table.
friskhed as (
    select
        tabeller.system_id,
        count(*) as tabeller,
        if(count(indlaesninger.sidst_ok) = count(*), min(indlaesninger.sidst_ok), null) as sidst_ok,
        count(*) filter (where indlaesninger.seneste_status = 'failed') as fejlede_tabeller,
        sum(indlaesninger.raekker) as raekker
    from {{ source('platform', 'system_tables') }} as tabeller
    left join indlaesninger on tabeller.system_id = indlaesninger.system_id and tabeller.table_name = indlaesninger.table_name
    group by tabeller.system_id
),

karantaene as (
    select
        system_id,
        count(distinct concat_ws('|', table_name, load_id, source_ref, source_row)) filter (where row_dropped) as tabte_raekker,
        count(*) filter (where not row_dropped) as tomme_vaerdier
    from {{ ref('quarantine') }}
    group by system_id
),

afviste as (
    {{ unreadable_lines() }}
),

noegler as (
    select distinct
        system_id,
        key_domain
    from {{ source('platform', 'system_columns') }}
    where key_domain is not null
),

noegler_pr_system as (
    select
        system_id,
        string_agg(coalesce(domaener.noegledomaene_navn, noegler.key_domain), ', ' order by coalesce(domaener.noegledomaene_navn, noegler.key_domain)) as noegler
    from noegler
    left join {{ ref('noegledomaener') }} as domaener on noegler.key_domain = domaener.noegledomaene
    group by system_id
),

kombinationer as (
    select
        a.system_id,
        count(distinct b.system_id) as antal_kombinationer,
        string_agg(distinct systemer.title, ', ' order by systemer.title) as kan_kombineres_med
    from noegler as a
    inner join noegler as b on a.key_domain = b.key_domain and a.system_id <> b.system_id
    inner join {{ source('platform', 'systems') }} as systemer on b.system_id = systemer.system_id
    group by a.system_id
),

relationer as (
    select
        it_system_uuid,
        count(*) as relationer
    from (
        select fra_it_system_uuid as it_system_uuid from {{ ref('stg_os2kitos__relationer') }}
        union all
        select til_it_system_uuid as it_system_uuid from {{ ref('stg_os2kitos__relationer') }}
    )
    group by it_system_uuid
)

select
    systemer.system_noegle,
    systemer.system_id,
    systemer.it_system_uuid,
    systemer.system,
    systemer.beskrivelse,
    systemer.leverandoer,
    coalesce(fagomraader.fagomraade_navn, 'Ukendt') as fagomraade,
    systemer.ejer,
    systemer.ejer_email,
    systemer.tilslutning,
    systemer.er_i_kitos,
    systemer.livscyklus,
    systemer.klassifikation,
    systemer.retsgrundlag,
    systemer.formaal,
    systemer.opbevaring,
    systemer.opbevaring_efter,
    systemer.adgangsvej,
    systemer.kadence,
    friskhed.tabeller::integer as tabeller,
    friskhed.raekker::bigint as raekker,
    {{ danish_time('friskhed.sidst_ok') }} as sidst_indlaest,
    case
        when systemer.system_id is null then null
        when friskhed.fejlede_tabeller > 0 then 'fejlet'
        when friskhed.sidst_ok is null then 'aldrig indlæst'
        when make_timestamp(epoch_us(now())) > friskhed.sidst_ok + to_hours(register.error_after_hours::bigint) then 'for gammel'
        when make_timestamp(epoch_us(now())) > friskhed.sidst_ok + to_hours(register.warn_after_hours::bigint) then 'snart for gammel'
        else 'frisk'
    end as friskhed,
    friskhed.fejlede_tabeller::integer as fejlede_tabeller,
    if(systemer.system_id is null, null, coalesce(karantaene.tabte_raekker, 0))::bigint as tabte_raekker,
    if(systemer.system_id is null, null, coalesce(karantaene.tomme_vaerdier, 0))::bigint as ugyldige_vaerdier,
    round(100 * (1 - coalesce(karantaene.tabte_raekker, 0) / nullif(friskhed.raekker + coalesce(afviste.raekker, 0), 0)), 2)::decimal(9, 2) as brugbare_raekker_pct,
    noegler_pr_system.noegler,
    coalesce(kombinationer.antal_kombinationer, 0)::integer as antal_kombinationer,
    kombinationer.kan_kombineres_med,
    coalesce(relationer.relationer, 0)::integer as relationer_i_kitos
from {{ ref('dim_system') }} as systemer
left join {{ source('platform', 'systems') }} as register on systemer.system_id = register.system_id
left join {{ ref('fagomraader') }} as fagomraader on systemer.fagomraade = fagomraader.fagomraade
left join friskhed on systemer.system_id = friskhed.system_id
left join karantaene on systemer.system_id = karantaene.system_id
left join afviste on systemer.system_id = afviste.system_id
left join noegler_pr_system on systemer.system_id = noegler_pr_system.system_id
left join kombinationer on systemer.system_id = kombinationer.system_id
left join relationer on systemer.it_system_uuid = relationer.it_system_uuid
