with

dage as (
    select unnest(generate_series(date '2015-01-01', {{ calendar_end() }}, interval 1 day))::date as dato
)

select
    dage.dato,
    year(dage.dato)::integer as aar,
    quarter(dage.dato)::integer as kvartal,
    date_trunc('month', dage.dato)::date as maaned,
    month(dage.dato)::integer as maaned_nummer,
    ['januar', 'februar', 'marts', 'april', 'maj', 'juni', 'juli', 'august', 'september', 'oktober', 'november', 'december'][month(dage.dato)] as maaned_navn,
    isoyear(dage.dato)::integer as iso_aar,
    week(dage.dato)::integer as iso_uge,
    date_trunc('week', dage.dato)::date as uge_mandag,
    isodow(dage.dato)::integer as ugedag,
    ['mandag', 'tirsdag', 'onsdag', 'torsdag', 'fredag', 'lørdag', 'søndag'][isodow(dage.dato)] as ugedag_navn,
    (year(dage.dato) - if(month(dage.dato) < 8, 1, 0))::integer as skoleaar,
    (year(dage.dato) - if(month(dage.dato) < 8, 1, 0)) || '/' || (year(dage.dato) - if(month(dage.dato) < 8, 1, 0) + 1) as skoleaar_navn,
    year(dage.dato)::integer as regnskabsaar,
    month(dage.dato)::integer as regnskabsperiode,
    helligdage.helligdag,
    helligdage.helligdag is not null as er_helligdag,
    isodow(dage.dato) < 6 and helligdage.helligdag is null as er_arbejdsdag
from dage
left join {{ ref('helligdage') }} as helligdage on dage.dato = helligdage.dato
