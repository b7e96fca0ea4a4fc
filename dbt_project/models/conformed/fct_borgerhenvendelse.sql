select
    billetter.billet_id,
    billetter.oprettet_tidspunkt::date as dato,
    billetter.koe_id,
    koeer.koe,
    koeer.sted,
    coalesce(kle.kle_emne, {{ unknown_key() }}) as kle_emne,
    coalesce(emne.kle_noegle, {{ unknown_key() }}) as kle_noegle,
    coalesce(medarbejder.medarbejder_noegle, {{ unknown_key() }}) as medarbejder_noegle,
    billetter.udfald,
    (billetter.ventetid_ms / 60000.0)::decimal(18, 4) as ventetid_minutter,
    billetter.betjening_minutter
from {{ ref('stg_frontdesk__billetter') }} as billetter
left join {{ ref('stg_frontdesk__koeer') }} as koeer on billetter.koe_id = koeer.koe_id
left join {{ ref('dim_kle') }} as kle on koeer.kle_emne = kle.kle_emne
{{ join_as_of('dim_medarbejder', 'medarbejder', 'medarbejdernummer', 'billetter.medarbejdernummer', 'billetter.oprettet_tidspunkt::date') }}
{{ join_as_of('dim_kle_historik', 'emne', 'kle_emne', 'koeer.kle_emne', 'billetter.oprettet_tidspunkt::date') }}
