-- Postings with the function they belong to and their account in the authorised plan, both as they stood on the day. What is posted in
-- January in the old year's period 13 stood as on the old year's last day.
with

posteringer as (
    select
        *,
        least(bogfoeringsdato, make_date(regnskabsaar::integer, 12, 31)) as konteringsdag
    from {{ ref('stg_opus_oekonomi__posteringer') }}
),

med_funktion as (
    select
        posteringer.* exclude (funktion),
        -- A project has its own function, and then nothing stands in the posting's.
        coalesce(posteringer.funktion, projekt.funktion) as funktion
    from posteringer
    left join {{ ref('xref_konto') }} as projekt
        on
            projekt.nummersystem = 'PSP-element'
            and posteringer.psp_element = projekt.nummer
            and posteringer.konteringsdag between projekt.gyldig_fra and projekt.gyldig_til
)

select
    med_funktion.*,
    {{ authorised_account('udgaver.funktion', 'med_funktion.dranst', 'med_funktion.omkostningssted', 'konto') }} as konto
from med_funktion
left join {{ ref('xref_konto') }} as konto
    on
        konto.nummersystem = 'Artskonto'
        and med_funktion.artskonto = konto.nummer
        and med_funktion.konteringsdag between konto.gyldig_fra and konto.gyldig_til
-- Only a function that the year's own edition has makes an authorised account.
left join {{ ref('stg_kontoplan__funktioner') }} as udgaver
    on med_funktion.regnskabsaar = udgaver.regnskabsaar and med_funktion.funktion = udgaver.funktion
