-- The access addresses of the municipality in DAR, written as `int_adresse__tekster` writes what was typed.
select
    husnummer_id::varchar as husnummer_id,
    {{ normalised('vejnavn') }} as vejnavn,
    lower(husnummer) as husnr,
    postnummer as postnr
from {{ ref('stg_datafordeler__husnumre') }}
where kommunekode = {{ own_municipality() }} and vejnavn is not null and husnummer is not null
