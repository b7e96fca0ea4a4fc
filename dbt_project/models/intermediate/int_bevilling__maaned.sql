-- Granted minutes per week, spread evenly over the days, for the days of each month in which the grant runs.
select
    indsatser.indsats_id,
    dato.maaned,
    indsatser.enhed_id,
    (indsatser.visiterede_minutter_pr_uge * count(*) / 7 / 60)::decimal(18, 4) as timer
from {{ ref('stg_nexus__indsatser') }} as indsatser
inner join {{ ref('dim_dato') }} as dato
    on
        dato.dato between indsatser.gyldig_fra and coalesce(indsatser.gyldig_til, date '9999-12-31')
-- What was granted before visits were written down, nobody can have delivered; an open grant runs until the last day that care was given on.
inner join {{ ref('int_omsorg__daekning') }} as daekning on dato.dato between daekning.fra_dato and daekning.til_dato
group by
    indsatser.indsats_id, dato.maaned, indsatser.enhed_id, indsatser.visiterede_minutter_pr_uge
