-- The subjects that cases use, known to the look-up or not: a case is not lost because its subject is new.
with

brugte as (
    select distinct kle_emne
    from {{ ref('dim_sag') }}
    where kle_emne <> {{ unknown_key() }}
    union
    select kle_nummer as kle_emne
    from {{ ref('kle') }}
    where length(kle_nummer) = 8
)

select
    brugte.kle_emne,
    coalesce(emner.titel, 'Ukendt emne') as titel,
    left(brugte.kle_emne, 2) as hovedgruppe,
    coalesce(hovedgrupper.titel, 'Ukendt hovedgruppe') as hovedgruppe_titel,
    coalesce(emner.slettes_efter, hovedgrupper.slettes_efter) as slettes_efter,
    coalesce(emner.bevaring, hovedgrupper.bevaring) as bevaring,
    coalesce(emner.efterproevet, false) as efterproevet
from brugte
left join {{ ref('kle') }} as emner on brugte.kle_emne = emner.kle_nummer
left join {{ ref('kle') }} as hovedgrupper on left(brugte.kle_emne, 2) = hovedgrupper.kle_nummer
union all
select
    {{ unknown_key() }} as kle_emne,
    'Ukendt' as titel,
    null as hovedgruppe,
    'Ukendt' as hovedgruppe_titel,
    null as slettes_efter,
    null as bevaring,
    false as efterproevet
