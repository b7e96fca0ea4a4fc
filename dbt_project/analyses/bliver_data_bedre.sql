-- Bliver data bedre? Hvert fagområdes kvalitet dag for dag, og fejlene der står i karantæne.
select
    kvalitet.dato,
    kvalitet.fagomraade,
    kvalitet.score,
    sum(karantaene.antal) as fejl_i_karantaene
from {{ ref('mart_datakvalitet_historik') }} as kvalitet
left join {{ ref('mart_karantaene_historik') }} as karantaene
    on kvalitet.dato = karantaene.dato and kvalitet.fagomraade = karantaene.fagomraade
where kvalitet.system_id = 'I alt'
group by kvalitet.dato, kvalitet.fagomraade, kvalitet.score
order by kvalitet.fagomraade, kvalitet.dato
