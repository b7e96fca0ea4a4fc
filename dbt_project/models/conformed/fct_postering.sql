select
    posteringer.regnskabsaar,
    posteringer.bilagsnummer,
    posteringer.bilagslinje,
    posteringer.bogfoeringsdato,
    posteringer.periode,
    coalesce(konto.artskonto, {{ unknown_key() }}) as artskonto,
    coalesce(steder.omkostningssted, {{ unknown_key() }}) as omkostningssted,
    coalesce(steder.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(funktioner.funktion, {{ unknown_key() }}) as funktion,
    posteringer.dranst,
    posteringer.psp_element,
    posteringer.beloeb
from {{ ref('stg_opus_oekonomi__posteringer') }} as posteringer
left join {{ ref('dim_konto') }} as konto on posteringer.artskonto = konto.artskonto
left join {{ ref('dim_omkostningssted') }} as steder on {{ unpadded('posteringer.omkostningssted') }} = steder.omkostningssted
left join {{ ref('dim_funktion') }} as funktioner on posteringer.funktion = funktioner.funktion
