with

-- Read past staging, which sets a row aside when its key cannot be read: a protection whose first day or kind nobody can read is one all the
-- same. Only the other kinds, of directories and marketing, are none.
beskyttede as (
    select distinct person_of_cpr.person_id
    from {{ source('cpr_sf6002', 'beskyttelse') }} as source
    {{ person_of('cpr') }}
    where
        person_of_cpr.person_id is not null
        and coalesce(trim(source.beskyttelsestype) not in ('0002', '0003'), true)
),

-- CPR names an address by road and number. Where DAR has the number twice on the road, it is not known which.
adresser as (
    select
        kommunekode,
        vejkode,
        husnummer,
        min(husnummer_id) as husnummer_id,
        min(sogn_noegle) as sogn_noegle,
        min(postnummer_noegle) as postnummer_noegle
    from {{ ref('dim_adresse') }}
    where er_gaeldende and husnummer_id <> {{ unknown_key() }}
    group by kommunekode, vejkode, husnummer
    having count(*) = 1
),

versioner as (
    select
        historik.*,
        -- Protection wins over every grain and over all versions: one to come would tell, while it lasts, where somebody lives, and one from
        -- before it does so after it has ended.
        beskyttede.person_id is not null as adressebeskyttet
    from {{ ref('int_borger__historik') }} as historik
    left join beskyttede on historik.person_id = beskyttede.person_id
)

select
    {{ version_key('versioner.person_id', 'versioner.gyldig_fra') }} as borger_noegle,
    versioner.person_id,
    versioner.gyldig_fra,
    versioner.gyldig_til,
    coalesce(versioner.kommunekode, {{ unknown_key() }}) as kommunekode,
    case
        when versioner.kommunekode = {{ own_municipality() }} and not versioner.adressebeskyttet then coalesce(distrikter.skoledistrikt, {{ unknown_key() }})
        else {{ unknown_key() }}
    end as skoledistrikt,
    -- Neither address nor area of who is protected.
    {% for key in ['husnummer_id', 'sogn_noegle', 'postnummer_noegle'] -%}
    case when not versioner.adressebeskyttet then coalesce(adresser.{{ key }}, {{ unknown_key() }}) else {{ unknown_key() }} end as {{ key }},
    {% endfor -%}
    versioner.koen,
    versioner.aldersgruppe,
    versioner.adressebeskyttet
from versioner
left join {{ ref('skoledistrikter') }} as distrikter
    on versioner.vejkode = distrikter.vejkode
left join adresser
    on
        versioner.kommunekode = adresser.kommunekode
        and versioner.vejkode = adresser.vejkode
        and versioner.husnummer = adresser.husnummer
union all
select
    {{ unknown_key() }} as borger_noegle,
    null as person_id,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til,
    {{ unknown_key() }} as kommunekode,
    {{ unknown_key() }} as skoledistrikt,
    {{ unknown_key() }} as husnummer_id,
    {{ unknown_key() }} as sogn_noegle,
    {{ unknown_key() }} as postnummer_noegle,
    null as koen,
    null as aldersgruppe,
    false as adressebeskyttet
