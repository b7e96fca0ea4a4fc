-- Addresses that somebody has typed, taken apart: what stands before the number is the road, four digits are the postcode.
with

tekster as (
    select distinct
        'scanxnet' as kilde,
        adresse as tekst,
        {{ normalised('adresse') }} as ren
    from {{ ref('stg_scanxnet__kunder') }}
    where adresse is not null
)

select
    kilde,
    tekst,
    nullif(trim(regexp_extract(ren, '^([^\d]+?)( nr)? \d', 1)), '') as vejnavn,
    nullif(replace(regexp_extract(ren, '^[^\d]+(\d{1,3}( ?[a-z])?)\b', 1), ' ', ''), '') as husnr,
    nullif(regexp_extract(ren, '\b(\d{4})\b', 1), '') as postnr
from tekster
