-- Hvor længe er borgerne på hver ydelse, og hvad kommer efter? Uger i træk på samme ydelse og den næste; de hyppigste skift først. Kun til
-- ydelsesteamets eget formål: personerne hedder noget andet i alle andre marts.
with

forloeb as (
    select
        pseudonym,
        ydelsesgruppe,
        min(maaned) as fra_maaned,
        sum(uger) as uger
    from {{ ref('mart_borger_ydelsesforloeb') }}
    group by pseudonym, ydelsesgruppe
),

efterfulgt as (
    select
        *,
        lead(ydelsesgruppe) over (partition by pseudonym order by fra_maaned, ydelsesgruppe) as naeste_ydelse
    from forloeb
)

select
    ydelsesgruppe,
    coalesce(naeste_ydelse, 'Ingen endnu') as naeste_ydelse,
    count(*) as personer,
    median(uger) as uger_median
from efterfulgt
group by 1, 2
having count(*) >= 5
order by personer desc, ydelsesgruppe asc, naeste_ydelse asc
