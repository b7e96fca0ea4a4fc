{% set measures = {'energi_kwh': 'energi', 'vand_m3': 'energi', 'affald_kg': 'affald', 'braendstof': 'indkoeb', 'indkoeb': 'indkoeb'} -%}
{% set brugere_i_alt = 'coalesce(list_unique(flatten(list(brugere))), 0)' -%}
-- What runs an institution, month by month, held against its floor and its children. Consumption tells of no person; only what is said of
-- the children is hidden where they are few.
with

-- What is measured in something else (heat by cubic metres of water) is no energy that could be added.
forbrug as (
    select
        maaned,
        institutionsnummer,
        case if(medie in ('el', 'varme'), maaleenhed, null)
            when 'kWh' then forbrug
            when 'MWh' then forbrug * 1000
            when 'GJ' then (forbrug * 1000 / 3.6)::decimal(18, 4)
            else 0
        end as energi_kwh,
        case when medie = 'vand' and maaleenhed in ('m3', 'm³') then forbrug else 0 end as vand_m3,
        null as affald_kg,
        null as braendstof,
        null as indkoeb
    from {{ ref('fct_energi') }}
    union all
    select
        date_trunc('month', dato)::date as maaned,
        institutionsnummer,
        null as energi_kwh,
        null as vand_m3,
        vaegt_kg as affald_kg,
        null as braendstof,
        null as indkoeb
    from {{ ref('fct_affald') }}
    union all
    -- What the meters tell of is not told a second time by its bill.
    select
        date_trunc('month', fakturadato)::date as maaned,
        institutionsnummer,
        null as energi_kwh,
        null as vand_m3,
        null as affald_kg,
        case when klimagruppe = 'braendstof' then beloeb else 0 end as braendstof,
        case when klimagruppe not in ('braendstof', 'forsyning') then beloeb else 0 end as indkoeb
    from {{ ref('int_indkoeb__grupperet') }}
),

-- In months that a measure's source does not tell of it is not 0 but unknown.
kendt as (
    select
        {{ covered('energi', ref('int_klima__daekning'), 'energi') }},
        {{ covered('affald', ref('int_klima__daekning'), 'affald') }},
        {{ covered('indkoeb', ref('int_klima__daekning'), 'indkoeb') }}
),

maaneder as (
    select
        dato.maaned,
        max(dato.dato) as sidste_dag
    from {{ ref('dim_dato') }} as dato
    inner join kendt on dato.maaned <= greatest(kendt.energi_til, kendt.affald_til, kendt.indkoeb_til)
    where dato.maaned in (select forbrug.maaned from forbrug)
    group by dato.maaned
),

arealer as (
    select
        husnummer_id,
        sum(samlet_areal) as areal_m2
    from {{ ref('dim_bygning') }}
    group by husnummer_id
),

-- The address as it was at the month's end; of two periods that meet, the later one.
adresser as (
    select
        maaneder.maaned,
        enheder.enhed_id,
        enheder.husnummer_id,
        arealer.areal_m2
    from maaneder
    inner join {{ ref('stg_os2mo__enheder') }} as enheder
        on
            maaneder.sidste_dag >= enheder.gyldig_fra
            and maaneder.sidste_dag <= coalesce(enheder.gyldig_til, date '9999-12-31')
    left join arealer on enheder.husnummer_id::varchar = arealer.husnummer_id
    qualify
        row_number() over (
            partition by maaneder.maaned, enheder.enhed_id
            order by enheder.gyldig_fra desc, enheder.registreret_tidspunkt desc
        ) = 1
),

-- Persons are kept, to count each once in the institution as in all of them.
brugere as (
    select
        maaneder.maaned,
        indskrivning.institutionsnummer,
        list(distinct coalesce(indskrivning.person_id, {{ nobody() }})) as brugere
    from maaneder
    inner join {{ ref('fct_indskrivning') }} as indskrivning
        on
            maaneder.sidste_dag >= indskrivning.startdato
            and maaneder.sidste_dag <= coalesce(indskrivning.slutdato, date '9999-12-31')
    where indskrivning.institutionsnummer <> {{ unknown_key() }}
    group by maaneder.maaned, indskrivning.institutionsnummer
),

summer as (
    select
        maaned,
        institutionsnummer,
        sum(energi_kwh) as energi_kwh,
        sum(vand_m3) as vand_m3,
        sum(affald_kg) as affald_kg,
        sum(braendstof) as braendstof,
        sum(indkoeb) as indkoeb
    from forbrug
    group by maaned, institutionsnummer
),

celler as (
    select
        maaneder.maaned,
        institution.institutionsnummer,
        institution.institution,
        institution.institutionstype,
        adresser.areal_m2,
        -- Institutions that share an address have its floor between them: all together have it once.
        if(
            row_number() over (partition by maaneder.maaned, adresser.husnummer_id order by institution.institutionsnummer) = 1,
            adresser.areal_m2,
            null
        ) as eget_areal_m2,
        {% for measure, register in measures.items() %}
        {{ known('summer.' ~ measure, 'maaneder.maaned', 'kendt.' ~ register) }} as {{ measure }},
        {% endfor %}
        brugere.brugere,
        coalesce(len(brugere.brugere), 0) as antal_brugere
    from maaneder
    cross join kendt
    cross join {{ ref('dim_institution') }} as institution
    -- What is not open at the month's end has no floor.
    {{ join_as_of('dim_institution_historik', 'version', 'institutionsnummer', 'institution.institutionsnummer', 'maaneder.sidste_dag') }}
    left join adresser
        on maaneder.maaned = adresser.maaned and institution.enhed_id = adresser.enhed_id and version.institution_noegle is not null
    left join brugere on maaneder.maaned = brugere.maaned and institution.institutionsnummer = brugere.institutionsnummer
    left join summer on maaneder.maaned = summer.maaned and institution.institutionsnummer = summer.institutionsnummer
),

valgt as (
    select
        *,
        {% for measure in measures %}
        {{ measure }} / nullif(areal_m2, 0) as {{ measure }}_pr_m2,
        {% endfor %}
        {{ hidden_cell('antal_brugere', ['maaned'], 'institutionsnummer') }} as skjul_brugere
    from celler
),

-- All known institutions. Per m² only what those use whose floor is known.
i_alt as (
    select
        maaned,
        'I alt' as institutionsnummer,
        'Alle' as institution,
        null as institutionstype,
        sum(eget_areal_m2) as areal_m2,
        {{ brugere_i_alt }} as antal_brugere,
        {% for measure in measures %}
        sum({{ measure }}) as {{ measure }},
        sum({{ measure }}) filter (where areal_m2 > 0) / nullif(sum(eget_areal_m2), 0) as {{ measure }}_pr_m2,
        {% endfor %}
        -- Who is in two institutions is one here: what the total leaves for the hidden is less than they are.
        {{ hidden_total('antal_brugere', 'skjul_brugere', brugere_i_alt) }} or (
            bool_or(skjul_brugere)
            and {{ brugere_i_alt }} - coalesce(sum(antal_brugere) filter (where not skjul_brugere), 0) < count(*) filter (where skjul_brugere) + 5
        ) as skjul_brugere
    from valgt
    where institutionsnummer <> {{ unknown_key() }}
    group by maaned
),

med_total as (
    select * exclude (brugere, eget_areal_m2) from valgt
    union all by name
    select * from i_alt
)

select
    maaned,
    institutionsnummer,
    institution,
    institutionstype,
    areal_m2::bigint as areal_m2,
    case when not skjul_brugere then antal_brugere end::integer as brugere,
    {% for measure in measures %}
    {{ measure }}::decimal(18, 2) as {{ measure }},
    {{ measure }}_pr_m2::decimal(18, 4) as {{ measure }}_pr_m2,
    case when not skjul_brugere then {{ measure }} / nullif(antal_brugere, 0) end::decimal(18, 4) as {{ measure }}_pr_bruger,
    {% endfor %}
    skjul_brugere as diskretioneret
from med_total
