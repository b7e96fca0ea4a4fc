-- A child that is older than the parent is no child: somebody wrote it the wrong way round, and the relation is left out.
select
    boern.foraelder_person_id,
    boern.barn_person_id
from {{ ref('stg_cpr_sf6002__boern') }} as boern
left join {{ ref('stg_cpr_sf6002__personer') }} as foraelder on boern.foraelder_person_id = foraelder.person_id
left join {{ ref('stg_cpr_sf6002__personer') }} as barn on boern.barn_person_id = barn.person_id
where coalesce(barn.foedselsdato > foraelder.foedselsdato, true)
