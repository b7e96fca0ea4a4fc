-- Moves over the municipality's border, from the address history. Somebody's first address is a move only if it is not where she was born.
-- Who leaves the country has no address after (status 80), or none until she comes back. A mover in is the citizen she is here, a mover out
-- the one she was.
with

adresser as (
    select
        adresser.person_id,
        adresser.tilflytningsdato,
        adresser.fraflytningsdato,
        adresser.kommunekode,
        personer.foedselsdato,
        personer.status,
        personer.status_fra,
        lag(adresser.kommunekode) over person as fra_kommune,
        lead(adresser.tilflytningsdato) over person as naeste_dato,
        coalesce(lag(adresser.fraflytningsdato) over person < adresser.tilflytningsdato - 1, false) as fra_udlandet,
        row_number() over person as nummer
    from {{ ref('stg_cpr_sf6002__adresser') }} as adresser
    left join {{ ref('stg_cpr_sf6002__personer') }} as personer on adresser.person_id = personer.person_id
    window person as (partition by adresser.person_id order by adresser.tilflytningsdato)
),

-- The last day here of who left the country from this address: a later address begins after a gap, none comes after status 80, or the death
-- that the register tells of came later than that.
udrejser as (
    select
        *,
        case
            when naeste_dato is not null then if(fraflytningsdato < naeste_dato - 1, fraflytningsdato, null)
            when status = '80' then coalesce(fraflytningsdato, status_fra)
            when status = '90' and fraflytningsdato < status_fra - 1 then fraflytningsdato
        end as udrejst_dato
    from adresser
    where kommunekode = {{ own_municipality() }}
),

flytninger as (
    select
        person_id,
        tilflytningsdato as dato,
        case when kommunekode = {{ own_municipality() }} then 'tilflytning' else 'fraflytning' end as retning,
        case when not fra_udlandet then fra_kommune end as fra_kommune,
        kommunekode as til_kommune
    from adresser
    where
        (
            kommunekode = {{ own_municipality() }}
            and (fra_kommune <> {{ own_municipality() }} or fra_udlandet or (nummer = 1 and foedselsdato < tilflytningsdato))
        )
        or (kommunekode <> {{ own_municipality() }} and fra_kommune = {{ own_municipality() }} and not fra_udlandet)
    union all
    select
        person_id,
        udrejst_dato as dato,
        'fraflytning' as retning,
        kommunekode as fra_kommune,
        null as til_kommune
    from udrejser
    where udrejst_dato is not null
)

select
    flytninger.person_id,
    flytninger.dato,
    flytninger.retning,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(fra.kommunekode, {{ unknown_key() }}) as fra_kommune,
    coalesce(til.kommunekode, {{ unknown_key() }}) as til_kommune
from flytninger
{{ join_as_of('dim_borger', 'borger', 'person_id', 'flytninger.person_id', "if(flytninger.retning = 'tilflytning', flytninger.dato, flytninger.dato - 1)") }}
left join {{ ref('dim_kommune') }} as fra on flytninger.fra_kommune = fra.kommunekode
left join {{ ref('dim_kommune') }} as til on flytninger.til_kommune = til.kommunekode
