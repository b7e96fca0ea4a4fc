-- Areas of every kind, each under the one it lies in. A parish that has been closed stays, with its last day.
with

omraader as (
    select
        'region' as omraadetype,
        regionskode as kode,
        min(region) as navn,
        null as overordnet_noegle,
        null::date as gyldig_fra,
        null::date as gyldig_til
    from {{ ref('kommuner') }}
    group by regionskode
    union all
    select
        'kommune' as omraadetype,
        kommuner.kommunekode as kode,
        coalesce(inddelinger.navn, kommuner.kommune) as navn,
        {{ area_key("'region'", 'kommuner.regionskode') }} as overordnet_noegle,
        inddelinger.virkning_fra as gyldig_fra,
        null as gyldig_til
    from {{ ref('kommuner') }} as kommuner
    left join {{ ref('stg_dagi__kommuner') }} as inddelinger on kommuner.kommunekode = inddelinger.kommunekode
    union all
    select
        'postnummer' as omraadetype,
        postnummer as kode,
        min(navn) as navn,
        -- A postcode may lie in two municipalities.
        if(count(distinct kommunekode) = 1, {{ area_key("'kommune'", 'min(kommunekode)') }}, null) as overordnet_noegle,
        null as gyldig_fra,
        null as gyldig_til
    from {{ ref('stg_dagi__postnumre') }}
    group by postnummer
    union all
    select
        'sogn' as omraadetype,
        sognekode as kode,
        navn,
        {{ area_key("'kommune'", 'kommunekode') }} as overordnet_noegle,
        virkning_fra as gyldig_fra,
        virkning_til as gyldig_til
    from {{ ref('stg_dagi__sogne') }}
    union all
    select
        'skoledistrikt' as omraadetype,
        skoledistrikt as kode,
        min(skoledistrikt_navn) as navn,
        {{ area_key("'kommune'", own_municipality()) }} as overordnet_noegle,
        null as gyldig_fra,
        null as gyldig_til
    from {{ ref('skoledistrikter') }}
    group by skoledistrikt
)

select
    {{ area_key('omraadetype', 'kode') }} as geografi_noegle,
    omraadetype,
    kode,
    navn,
    overordnet_noegle,
    coalesce(gyldig_fra, date '1900-01-01') as gyldig_fra,
    coalesce(gyldig_til, date '9999-12-31') as gyldig_til,
    coalesce(gyldig_til >= current_date, true) as er_gaeldende
from omraader
union all
select
    {{ unknown_key() }} as geografi_noegle,
    null as omraadetype,
    {{ unknown_key() }} as kode,
    'Ukendt, beskyttet eller uden for kommunen' as navn,
    null as overordnet_noegle,
    date '1900-01-01' as gyldig_fra,
    date '9999-12-31' as gyldig_til,
    true as er_gaeldende
