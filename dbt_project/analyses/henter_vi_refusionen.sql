-- Question 5: do we collect the refund we should? By group of benefits, what is calculated against what stands in the ledger.
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
