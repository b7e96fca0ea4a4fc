-- Companies that are known by number and name, from those who deal with them: no register of companies is connected.
with

naevnt as (
    select
        leverandoer_cvr as cvr_nummer,
        leverandoer_navn as virksomhed
    from {{ ref('stg_os2kitos__it_systemer') }}
    union all
    select
        cvr_nummer,
        leverandoer as virksomhed
    from {{ ref('stg_truelink__indkoebslinjer') }}
    union all
    select
        cvr_nummer,
        leverandoer as virksomhed
    from {{ ref('stg_oioubl__fakturaer') }}
)

select
    cvr_nummer,
    min(virksomhed) as virksomhed,
    {{ company_name('min(virksomhed)') }} as navn
from naevnt
where cvr_nummer is not null and virksomhed is not null
group by cvr_nummer
