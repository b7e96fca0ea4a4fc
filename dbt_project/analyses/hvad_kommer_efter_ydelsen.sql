-- Hvor længe er borgerne på hver ydelse, og hvad kommer efter? Uger i måneder i træk på samme ydelse og den næste, som kan være den samme efter
-- en pause; de hyppigste skift først. Kun til ydelsesteamets eget formål: personerne hedder noget andet i alle andre marts.
with

maaneder as (
    select
        *,
        -- Ens for måneder i træk.
        datediff('month', date '2000-01-01', maaned) - row_number() over (partition by pseudonym, ydelsesgruppe order by maaned) as i_traek
    from {{ ref('mart_borger_ydelsesforloeb') }}
),

forloeb as (
    select
        pseudonym,
        ydelsesgruppe,
        min(maaned) as fra_maaned,
        sum(uger) as uger
    from maaneder
    group by pseudonym, ydelsesgruppe, i_traek
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
    count(distinct pseudonym) as personer,
    median(uger) as uger_median
from efterfulgt
group by 1, 2
having count(distinct pseudonym) >= 5
order by personer desc, ydelsesgruppe asc, naeste_ydelse asc
