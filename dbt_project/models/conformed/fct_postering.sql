select
    posteringer.regnskabsaar,
    posteringer.bilagsnummer,
    posteringer.bilagslinje,
    posteringer.bogfoeringsdato,
    posteringer.periode,
    coalesce(periode.periode_noegle, {{ unknown_key() }}) as periode_noegle,
    -- What comes in the supplementary period belongs to the old year's December, whenever it was posted; in a period that is none, as SAP's
    -- further ones (14-16), it is the month of posting, but no later than the year's last.
    coalesce(periode.maaned, date_trunc('month', posteringer.konteringsdag))::date as regnskabsmaaned,
    coalesce({{ account_key('posteringer.regnskabsaar', 'posteringer.konto') }}, {{ unknown_key() }}) as konto_noegle,
    coalesce(konto.artskonto, {{ unknown_key() }}) as artskonto,
    coalesce(steder.omkostningssted, {{ unknown_key() }}) as omkostningssted,
    coalesce(steder.omkostningssted_noegle, {{ unknown_key() }}) as omkostningssted_noegle,
    coalesce(steder.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    coalesce(funktioner.funktion, {{ unknown_key() }}) as funktion,
    posteringer.dranst,
    posteringer.psp_element,
    posteringer.beloeb
from {{ ref('int_postering__konteret') }} as posteringer
left join {{ ref('dim_periode') }} as periode
    on posteringer.regnskabsaar = periode.regnskabsaar and posteringer.periode = periode.periode
left join {{ ref('dim_artskonto') }} as konto on posteringer.artskonto = konto.artskonto
{{ join_as_of('dim_omkostningssted_historik', 'steder', 'omkostningssted', unpadded('posteringer.omkostningssted'), 'posteringer.konteringsdag') }}
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "steder.enhed_id", "posteringer.konteringsdag") }}
left join {{ ref('dim_funktion') }} as funktioner on posteringer.funktion = funktioner.funktion
