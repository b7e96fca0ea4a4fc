-- A child's three-month windows before and after its first notification. A window counts only when the absence register covers all of
-- it: no child is counted in a quarter that is not over.
with

foerste as (
    select
        person_id,
        modtaget_dato as foerste_dato,
        underretter
    from {{ ref('fct_underretning') }}
    where person_id is not null
    qualify row_number() over (partition by person_id order by modtaget_dato, underretning_id) = 1
),

kvartaler as (
    select unnest(generate_series(-4, 7)) as kvartal
),

vinduer as (
    select
        foerste.person_id,
        foerste.underretter,
        kvartaler.kvartal,
        (foerste.foerste_dato + to_months((3 * kvartaler.kvartal)::integer))::date as fra_dato,
        (foerste.foerste_dato + to_months((3 * kvartaler.kvartal + 3)::integer))::date - 1 as til_dato
    from foerste
    cross join kvartaler
),

daekkede as (
    select vinduer.*
    from vinduer
    inner join {{ ref('int_elevfravaer__daekning') }} as daekning on vinduer.fra_dato >= daekning.fra_dato and vinduer.til_dato <= daekning.til_dato
),

-- A morning and an afternoon are one day.
fravaer as (
    select
        daekkede.person_id,
        daekkede.kvartal,
        count(distinct fravaer.dato) as fravaersdage
    from daekkede
    inner join {{ ref('fct_elevfravaer') }} as fravaer
        on daekkede.person_id = fravaer.person_id and fravaer.dato between daekkede.fra_dato and daekkede.til_dato
    group by daekkede.person_id, daekkede.kvartal
),

foranstaltninger as (
    select
        daekkede.person_id,
        daekkede.kvartal,
        sum({{ shared_days('daekkede', 'foranstaltninger') }} * foranstaltninger.pris_pr_dag) as udgift
    from daekkede
    inner join {{ ref('fct_foranstaltning') }} as foranstaltninger
        on
            daekkede.person_id = foranstaltninger.person_id
            and daekkede.til_dato >= foranstaltninger.startdato
            and daekkede.fra_dato <= foranstaltninger.slutdato
    group by daekkede.person_id, daekkede.kvartal
),

-- What another municipality pays is not ours. A yearly price is spread over the days of a year.
specialtilbud as (
    select
        daekkede.person_id,
        daekkede.kvartal,
        sum({{ shared_days('daekkede', 'placeringer') }} * placeringer.aarlig_takst / 365) as udgift
    from daekkede
    inner join {{ ref('fct_specialplacering') }} as placeringer
        on
            daekkede.person_id = placeringer.person_id
            and daekkede.til_dato >= placeringer.startdato
            and daekkede.fra_dato <= placeringer.slutdato
    where placeringer.betalingskommune = {{ own_municipality() }}
    group by daekkede.person_id, daekkede.kvartal
),

-- A visit that came to nothing is no contact.
besoeg as (
    select
        daekkede.person_id,
        daekkede.kvartal,
        count(*) as sundhedsbesoeg
    from daekkede
    inner join {{ ref('fct_sundhedsbesoeg') }} as besoeg
        on daekkede.person_id = besoeg.person_id and besoeg.dato between daekkede.fra_dato and daekkede.til_dato
    where besoeg.gennemfoert
    group by daekkede.person_id, daekkede.kvartal
),

henvisninger as (
    select
        daekkede.person_id,
        daekkede.kvartal,
        count(*) as henvisninger
    from daekkede
    inner join {{ ref('fct_henvisning') }} as henvisning
        on daekkede.person_id = henvisning.person_id and henvisning.modtaget_dato between daekkede.fra_dato and daekkede.til_dato
    group by daekkede.person_id, daekkede.kvartal
)

select
    daekkede.person_id,
    daekkede.kvartal::integer as kvartal,
    daekkede.underretter,
    daekkede.fra_dato,
    daekkede.til_dato,
    coalesce(fravaer.fravaersdage, 0)::integer as fravaersdage,
    coalesce(foranstaltninger.udgift, 0)::decimal(18, 4) as foranstaltninger,
    coalesce(specialtilbud.udgift, 0)::decimal(18, 4) as specialtilbud,
    coalesce(besoeg.sundhedsbesoeg, 0)::integer as sundhedsbesoeg,
    coalesce(henvisninger.henvisninger, 0)::integer as henvisninger
from daekkede
left join fravaer on daekkede.person_id = fravaer.person_id and daekkede.kvartal = fravaer.kvartal
left join foranstaltninger on daekkede.person_id = foranstaltninger.person_id and daekkede.kvartal = foranstaltninger.kvartal
left join specialtilbud on daekkede.person_id = specialtilbud.person_id and daekkede.kvartal = specialtilbud.kvartal
left join besoeg on daekkede.person_id = besoeg.person_id and daekkede.kvartal = besoeg.kvartal
left join henvisninger on daekkede.person_id = henvisninger.person_id and daekkede.kvartal = henvisninger.kvartal
