select
    konti.artskonto,
    konti.artskonto_navn,
    konti.hovedart,
    hovedarter.hovedart_navn
from {{ ref('stg_opus_oekonomi__artskonti') }} as konti
left join {{ ref('hovedarter') }} as hovedarter on konti.hovedart = hovedarter.hovedart
union all
select
    {{ unknown_key() }} as artskonto,
    'Ukendt' as artskonto_navn,
    null as hovedart,
    null as hovedart_navn
