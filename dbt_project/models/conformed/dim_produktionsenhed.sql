-- No register of companies is connected: a production unit is known where the organisation has it, or where a source names it.
with

egne as (
    select
        numre.nummer as p_nummer,
        organisation.enhed as produktionsenhed,
        organisation.enhed_id
    from {{ ref('int_enhed__efter_nummer') }} as numre
    inner join {{ ref('dim_organisation') }} as organisation on numre.enhed_id = organisation.enhed_id
    where numre.nummersystem = 'P-nummer'
),

-- A production unit that is sold keeps its number.
naevnt as (
    select
        p_nummer,
        arg_max(virksomhed_cvr, coalesce(startdato, date '0001-01-01')) as cvr_nummer
    from {{ ref('stg_momentum__tilbud') }}
    where p_nummer is not null
    group by p_nummer
)

select
    coalesce(egne.p_nummer, naevnt.p_nummer) as p_nummer,
    if(egne.p_nummer is not null, {{ own_cvr() }}, coalesce(naevnt.cvr_nummer, {{ unknown_key() }})) as cvr_nummer,
    egne.produktionsenhed,
    coalesce(egne.enhed_id, {{ unknown_key() }}) as enhed_id,
    egne.p_nummer is not null as er_kommunens
from egne
full outer join naevnt on egne.p_nummer = naevnt.p_nummer
union all
select
    {{ unknown_key() }} as p_nummer,
    {{ unknown_key() }} as cvr_nummer,
    'Ukendt' as produktionsenhed,
    {{ unknown_key() }} as enhed_id,
    false as er_kommunens
