select
    samtaler.samtale_id,
    samtaler.tidspunkt,
    samtaler.tidspunkt::date as dato,
    borgere.person_id,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    borgere.maalgruppe,
    samtaler.samtaletype,
    samtaler.kanal,
    samtaler.udfald
from {{ ref('stg_momentum__kontaktforloeb') }} as samtaler
left join {{ ref('stg_momentum__borgere') }} as borgere on samtaler.borger_id = borgere.borger_id
{{ join_as_of('dim_borger', 'borger', 'person_id', 'borgere.person_id', 'samtaler.tidspunkt::date') }}
