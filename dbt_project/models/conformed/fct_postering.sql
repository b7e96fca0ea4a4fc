select
    posteringer.regnskabsaar,
    posteringer.bilagsnummer,
    posteringer.bilagslinje,
    posteringer.bogfoeringsdato,
    posteringer.periode,
    coalesce(periode.periode_noegle, {{ unknown_key() }}) as periode_noegle,
    -- What comes in the supplementary period belongs to the old year's December, whenever it was posted.
    coalesce(periode.maaned, date_trunc('month', posteringer.bogfoeringsdato))::date as regnskabsmaaned,
    coalesce({{ account_key('posteringer.regnskabsaar', 'posteringer.konto') }}, {{ unknown_key() }}) as konto_noegle,
    coalesce(konto.artskonto, {{ unknown_key() }}) as artskonto,
    coalesce(steder.omkostningssted, {{ unknown_key() }}) as omkostningssted,
    coalesce(steder.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(funktioner.funktion, {{ unknown_key() }}) as funktion,
    posteringer.dranst,
    posteringer.psp_element,
    posteringer.beloeb
from {{ ref('int_postering__konteret') }} as posteringer
left join {{ ref('dim_periode') }} as periode
    on posteringer.regnskabsaar = periode.regnskabsaar and posteringer.periode = periode.periode
left join {{ ref('dim_artskonto') }} as konto on posteringer.artskonto = konto.artskonto
left join {{ ref('dim_omkostningssted') }} as steder on {{ unpadded('posteringer.omkostningssted') }} = steder.omkostningssted
left join {{ ref('dim_funktion') }} as funktioner on posteringer.funktion = funktioner.funktion
