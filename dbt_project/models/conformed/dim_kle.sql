-- Subjects as the last edition that has them says, and those that cases use besides: a case is not lost because its subject is new. The
-- look-up tells of what no edition has come with.
with

udgaver as (
    select
        kle_emne,
        max(udgave) as seneste_udgave,
        max(udgaaet_dato) as udgaaet_dato,
        arg_max(titel, udgave) as titel,
        arg_max(hovedgruppe_titel, udgave) as hovedgruppe_titel,
        arg_max(slettes_efter, udgave) as slettes_efter,
        arg_max(bevaring, udgave) as bevaring
    from {{ ref('stg_kle__emner') }}
    where length(kle_emne) = 8
    group by kle_emne
),

brugte as (
    select distinct kle_emne
    from {{ ref('dim_sag') }}
    where kle_emne <> {{ unknown_key() }}
    union
    select kle_nummer as kle_emne
    from {{ ref('kle') }}
    where length(kle_nummer) = 8
    union
    select kle_emne
    from udgaver
)

select
    brugte.kle_emne,
    coalesce(udgaver.titel, emner.titel, 'Ukendt emne') as titel,
    left(brugte.kle_emne, 2) as hovedgruppe,
    coalesce(udgaver.hovedgruppe_titel, hovedgrupper.titel, 'Ukendt hovedgruppe') as hovedgruppe_titel,
    coalesce(udgaver.slettes_efter, emner.slettes_efter, hovedgrupper.slettes_efter) as slettes_efter,
    coalesce(udgaver.bevaring, emner.bevaring, hovedgrupper.bevaring) as bevaring,
    udgaver.seneste_udgave,
    udgaver.udgaaet_dato,
    udgaver.seneste_udgave is not null and coalesce(udgaver.udgaaet_dato >= current_date, true) as er_gaeldende,
    udgaver.seneste_udgave is not null or coalesce(emner.efterproevet, false) as efterproevet
from brugte
left join udgaver on brugte.kle_emne = udgaver.kle_emne
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
    null as seneste_udgave,
    null as udgaaet_dato,
    false as er_gaeldende,
    false as efterproevet
