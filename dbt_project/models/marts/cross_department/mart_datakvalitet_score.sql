-- Each part is a share of a whole, added up before it is divided: a department's score weighs its systems by their rows. The formula
-- stands in dbt_project/README.md.
with

indlaesninger as (
    select
        *,
        date_diff('second', sidst_ok, make_timestamp(epoch_us(now()))) / 3600 as timer
    from ({{ newest_loads() }})
),

-- As good as new until the warning, worth nothing from the error, and evenly less in between.
tabeller as (
    select
        tabeller.system_id,
        count(*) as tabeller,
        coalesce(sum(indlaesninger.raekker), 0) as raekker,
        sum(
            case
                -- Asked first: `least` passes over NULL, and a table that never came would be in time.
                when coalesce(indlaesninger.timer >= systemer.error_after_hours, true) then 0
                -- Without a warning there is nothing in between.
                else least(1, (systemer.error_after_hours - indlaesninger.timer) / nullif(systemer.error_after_hours - systemer.warn_after_hours, 0))
            end
        ) as rettidige
    from {{ source('platform', 'system_tables') }} as tabeller
    inner join {{ source('platform', 'systems') }} as systemer on tabeller.system_id = systemer.system_id
    left join indlaesninger on tabeller.system_id = indlaesninger.system_id and tabeller.table_name = indlaesninger.table_name
    group by tabeller.system_id
),

afviste as (
    {{ unreadable_lines() }}
),

-- A row has each kind of fault once, however many of its values have it.
fejl as (
    select
        system_id,
        count(distinct raekke) filter (where art = 'mangler') as mangler,
        count(distinct raekke) filter (where art = 'ugyldig') as ugyldige,
        count(distinct raekke) filter (where art = 'dublet') as dubletter
    from (
        select
            system_id,
            concat_ws('|', table_name, load_id, source_ref, source_row) as raekke,
            case
                when reason like 'dubleret%' then 'dublet'
                when reason like '%mangler' or reason like 'for få felter%' or reason like 'linjen er for kort%' then 'mangler'
                else 'ugyldig'
            end as art
        from {{ ref('quarantine') }}
    ) as linjer
    group by system_id
),

-- References that find what they point at, in another system or in their own. What may rightly point at nobody is not asked.
henvisninger as (
    {% for system, fact, key in [
        ('opus_oekonomi', 'fct_postering', 'artskonto'), ('opus_oekonomi', 'fct_postering', 'omkostningssted'),
        ('opus_loen', 'fct_fravaer', 'medarbejder_noegle'), ('vagtplan', 'fct_vagt', 'enhed_id'),
        ('nexus', 'fct_leveret_omsorg', 'borger_noegle'), ('nexus', 'fct_bevilget_omsorg', 'borger_noegle'),
        ('ydelsesrefusion', 'fct_ydelse', 'borger_noegle'), ('momentum', 'fct_kontaktforloeb', 'borger_noegle'),
        ('kmd_elev', 'fct_elevfravaer', 'borger_noegle'), ('kmd_elev', 'fct_indskrivning', 'institutionsnummer'),
        ('dubu', 'fct_underretning', 'borger_noegle'), ('dubu', 'fct_foranstaltning', 'leverandoer_cvr'),
        ('specialtilbud', 'fct_specialplacering', 'betalingskommune'), ('budgetaftale', 'fct_budgetaftale', 'center_id')
    ] %}
    select
        '{{ system }}' as system_id,
        count(*) as henvisninger,
        count(*) filter (where {{ key }} <> {{ unknown_key() }}) as fundne
    from {{ ref(fact) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

sammenhaeng as (
    select
        system_id,
        sum(henvisninger) as henvisninger,
        sum(fundne) as fundne
    from henvisninger
    group by system_id
),

dele as (
    select
        systemer.department_title as fagomraade,
        systemer.system_id,
        systemer.title as system,
        coalesce(tabeller.tabeller, 0) as tabeller,
        coalesce(tabeller.rettidige, 0) as rettidige,
        coalesce(tabeller.raekker, 0) + coalesce(afviste.raekker, 0) as raekker,
        coalesce(fejl.mangler, 0) as mangler,
        coalesce(fejl.ugyldige, 0) as ugyldige,
        coalesce(fejl.dubletter, 0) as dubletter,
        coalesce(sammenhaeng.henvisninger, 0) as henvisninger,
        coalesce(sammenhaeng.fundne, 0) as fundne
    from {{ source('platform', 'systems') }} as systemer
    left join tabeller on systemer.system_id = tabeller.system_id
    left join afviste on systemer.system_id = afviste.system_id
    left join fejl on systemer.system_id = fejl.system_id
    left join sammenhaeng on systemer.system_id = sammenhaeng.system_id
),

andele as (
    select
        fagomraade,
        coalesce(system_id, 'I alt') as system_id,
        coalesce(max(system) filter (where system_id is not null), 'I alt') as system,
        sum(raekker) as raekker,
        100 * (1 - sum(mangler) / nullif(sum(raekker), 0)) as fuldstaendighed,
        100 * (1 - sum(ugyldige) / nullif(sum(raekker), 0)) as gyldighed,
        100 * (1 - sum(dubletter) / nullif(sum(raekker), 0)) as entydighed,
        100 * sum(rettidige) / nullif(sum(tabeller), 0) as rettidighed,
        100 * sum(fundne) / nullif(sum(henvisninger), 0) as sammenhaeng
    from dele
    group by grouping sets ((fagomraade, system_id), (fagomraade))
)

select
    fagomraade,
    system_id,
    if(system_id = 'I alt', 'I alt', system) as system,
    raekker::bigint as raekker,
    fuldstaendighed::decimal(5, 2) as fuldstaendighed,
    gyldighed::decimal(5, 2) as gyldighed,
    entydighed::decimal(5, 2) as entydighed,
    rettidighed::decimal(5, 2) as rettidighed,
    sammenhaeng::decimal(5, 2) as sammenhaeng,
    list_avg(list_filter([fuldstaendighed, gyldighed, entydighed, rettidighed, sammenhaeng], lambda del: del is not null))::decimal(5, 2) as score
from andele
