-- CPR says that somebody is the child of a younger person. Source data: Folkeregisteret mends it; `bro_foraelder_barn` leaves it out.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_cpr_sf6002__boern'}}}) }}

select
    boern.foraelder_person_id,
    boern.barn_person_id
from {{ ref('stg_cpr_sf6002__boern') }} as boern
left join {{ ref('bro_foraelder_barn') }} as bro
    on
        boern.foraelder_person_id = bro.foraelder_person_id
        and boern.barn_person_id = bro.barn_person_id
where bro.barn_person_id is null
