-- From the local chart of accounts to the authorised one. A row that is not closed ends where the next of its number begins.
with

tilknytninger as (
    select
        'Artskonto' as nummersystem,
        artskonto as nummer,
        gyldig_fra,
        gyldig_til,
        null as funktion,
        ejerforhold,
        gruppering,
        hovedart,
        art
    from {{ ref('stg_opus_oekonomi__artskonto_tilknytninger') }}
    union all
    select
        'PSP-element' as nummersystem,
        psp_element as nummer,
        gyldig_fra,
        gyldig_til,
        funktion,
        null as ejerforhold,
        null as gruppering,
        null as hovedart,
        null as art
    from {{ ref('stg_opus_oekonomi__psp_elementer') }}
)

select
    nummersystem,
    nummer,
    gyldig_fra,
    {{ ended_by_next('gyldig_til', 'gyldig_fra', 'nummersystem, nummer') }} as gyldig_til,
    funktion,
    ejerforhold,
    gruppering,
    hovedart,
    art,
    'opus_oekonomi' as kilde,
    1.00::decimal(3, 2) as tillid
from tilknytninger
