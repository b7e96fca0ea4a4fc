-- Access addresses as DAR has them now, with the areas and the property they lie in.
with

sogne as (
    select
        sogn_id,
        max(sognekode) as sognekode
    from {{ ref('stg_dagi__sogne') }}
    where sogn_id is not null
    group by sogn_id
)

select
    husnumre.husnummer_id::varchar as husnummer_id,
    husnumre.adgangsadressebetegnelse as adresse,
    husnumre.vejkode,
    husnumre.vejnavn,
    upper(husnumre.husnummer) as husnummer,
    coalesce(kommuner.kommunekode, {{ unknown_key() }}) as kommunekode,
    coalesce(postnumre.geografi_noegle, {{ unknown_key() }}) as postnummer_noegle,
    coalesce(sogne_geografi.geografi_noegle, {{ unknown_key() }}) as sogn_noegle,
    coalesce(distrikter.skoledistrikt, {{ unknown_key() }}) as skoledistrikt,
    jordstykker.bfe_nummer,
    husnumre.oest,
    husnumre.nord,
    husnumre.status = '3' as er_gaeldende,
    coalesce(husnumre.virkning_fra, date '1900-01-01') as gyldig_fra
from {{ ref('stg_datafordeler__husnumre') }} as husnumre
left join {{ ref('dim_kommune') }} as kommuner on husnumre.kommunekode = kommuner.kommunekode
left join {{ ref('dim_geografi') }} as postnumre on postnumre.omraadetype = 'postnummer' and husnumre.postnummer = postnumre.kode
left join sogne on husnumre.sogn_id = sogne.sogn_id
left join {{ ref('dim_geografi') }} as sogne_geografi on sogne_geografi.omraadetype = 'sogn' and sogne.sognekode = sogne_geografi.kode
left join {{ ref('skoledistrikter') }} as distrikter on husnumre.vejkode = distrikter.vejkode
left join {{ ref('stg_datafordeler__jordstykker') }} as jordstykker on husnumre.jordstykke_id = jordstykker.jordstykke_id
union all
select
    {{ unknown_key() }} as husnummer_id,
    'Ukendt, beskyttet eller uden for kommunen' as adresse,
    null as vejkode,
    null as vejnavn,
    null as husnummer,
    {{ unknown_key() }} as kommunekode,
    {{ unknown_key() }} as postnummer_noegle,
    {{ unknown_key() }} as sogn_noegle,
    {{ unknown_key() }} as skoledistrikt,
    null as bfe_nummer,
    null as oest,
    null as nord,
    true as er_gaeldende,
    date '1900-01-01' as gyldig_fra
