-- Spørgsmål 3: hvor koster sygefravær vikarer, og går det ud over borgernes timer? Enheder efter vikarudgift, i år. I en
-- procent er kun de måneder med, hvor begge tal vises.
select
    center,
    enhed,
    sum(sygetimer) as sygetimer,
    sum(vikartimer) as vikartimer,
    sum(vikarudgift) as vikarudgift,
    round(100 * sum(vikarudgift) filter (where loenudgift is not null) / nullif(sum(loenudgift), 0), 1) as vikarudgift_pct_af_loen,
    round(100 * sum(leverede_timer) filter (where bevilgede_timer is not null) / nullif(sum(bevilgede_timer) filter (where leverede_timer is not null), 0), 1) as leveret_pct_af_bevilget,
    bool_or(diskretioneret) as noget_er_skjult
from {{ ref('mart_fravaer_vikar') }}
where raekketype = 'enhed' and year(maaned) = year(current_date)
group by center, enhed
having sum(vikarudgift) > 0
order by vikarudgift desc
