-- The agreement names a centre in full; the organisation without "Center for".
select
    bevillinger.budgetaar as regnskabsaar,
    bevillinger.center,
    bevillinger.bevilling,
    coalesce(organisation.enhed_id, {{ unknown_key() }}) as center_id,
    (bevillinger.mio_kr * 1000000)::decimal(18, 2) as beloeb
from {{ ref('stg_budgetaftale__bevillinger') }} as bevillinger
left join {{ ref('dim_organisation') }} as organisation
    on regexp_replace(bevillinger.center, '^Center for ', '') = organisation.enhed and organisation.enhedstype = 'center'
