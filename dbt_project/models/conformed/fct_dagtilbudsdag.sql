-- Aula knows a child by its Unilogin; STIL says whose that is. One that two persons have tells of neither.
with

personer as (
    select
        unilogin,
        min(person_id) as person_id
    from {{ ref('stg_stil_ws17__personer') }}
    group by unilogin
    having count(distinct person_id) = 1
)

select
    dage.tilstedevaerelse_id,
    dage.dato,
    personer.person_id,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(institution.institutionsnummer, {{ unknown_key() }}) as institutionsnummer,
    coalesce(institutionen.institution_noegle, {{ unknown_key() }}) as institution_noegle,
    dage.status
from {{ ref('stg_aula__tilstedevaerelse') }} as dage
left join {{ ref('stg_aula__profiler') }} as profiler on dage.profil_id = profiler.profil_id
left join personer on profiler.unilogin = personer.unilogin
{{ join_as_of('dim_borger', 'borger', 'person_id', 'personer.person_id', 'dage.dato') }}
left join {{ ref('dim_institution') }} as institution on profiler.institutionsnummer = institution.institutionsnummer
{{ join_as_of('dim_institution_historik', 'institutionen', 'institutionsnummer', 'institution.institutionsnummer', 'dage.dato') }}
