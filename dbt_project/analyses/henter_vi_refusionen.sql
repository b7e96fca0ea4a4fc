-- Spørgsmål 5: henter vi den refusion, vi skal? Pr. ydelsesgruppe: det beregnede over for det bogførte.
select
    ydelsesgruppe,
    sum(brutto) as brutto,
    sum(refusion) as refusion,
    round(100 * sum(refusion) / nullif(sum(brutto), 0), 1) as refusionsandel_pct,
    sum(difference_refusion) as ikke_bogfoert_refusion,
    round(sum(samtaler) / nullif(sum(uger), 0), 3) as samtaler_pr_uge,
    bool_or(diskretioneret) as noget_er_skjult
from {{ ref('mart_ydelse_refusion') }}
where ydelsesgruppe <> 'I alt'
group by ydelsesgruppe
order by brutto desc
