-- Suppliers that contracts name without a CVR number, legal form and country left out of the name.
select distinct
    'os2kitos' as kilde,
    leverandoer_navn as tekst,
    {{ company_name('leverandoer_navn') }} as navn
from {{ ref('stg_os2kitos__it_systemer') }}
where leverandoer_cvr is null and leverandoer_navn is not null
