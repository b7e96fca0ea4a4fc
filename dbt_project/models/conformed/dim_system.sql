with

-- KITOS says which unit answers for a system; the unit's department is the system's, unless the register says it.
kitos as (
    select
        systemer.*,
        organisation.fagomraade
    from {{ ref('stg_os2kitos__it_systemer') }} as systemer
    left join {{ ref('dim_organisation') }} as organisation on systemer.enhed_id = organisation.enhed_id
)

select
    coalesce(register.system_id, 'kitos:' || kitos.it_system_uuid) as system_noegle,
    register.system_id,
    coalesce(try_cast(register.kitos_uuid as uuid), kitos.it_system_uuid) as it_system_uuid,
    coalesce(register.title, kitos.lokalt_navn, kitos.it_system_navn) as system,
    register.description as beskrivelse,
    coalesce(register.vendor, kitos.leverandoer_navn) as leverandoer,
    coalesce(register.department, kitos.fagomraade) as fagomraade,
    coalesce(register.owner_team, kitos.ansvarlig_enhed_navn) as ejer,
    register.owner_email as ejer_email,
    register.classification as klassifikation,
    register.legal_basis as retsgrundlag,
    register.purpose as formaal,
    register.retention_period as opbevaring,
    register.retention_after as opbevaring_efter,
    register.cadence as kadence,
    register.protocol as adgangsvej,
    kitos.foelsomhedsniveauer as foelsomhed_kitos,
    case kitos.livscyklus
        when 'NotInUse' then 'Ikke i brug'
        when 'PhasingIn' then 'Under indfasning'
        when 'Operational' then 'I drift'
        when 'PhasingOut' then 'Under udfasning'
    end as livscyklus,
    case kitos.hosting
        when 'OnPremise' then 'Egen drift'
        when 'External' then 'Ekstern drift'
        when 'Hybrid' then 'Blandet drift'
    end as drift,
    kitos.forretningskritisk,
    kitos.antal_brugere as forventede_brugere,
    if(register.system_id is not null, 'tilsluttet', 'mørkt') as tilslutning,
    kitos.it_system_uuid is not null as er_i_kitos
from {{ source('platform', 'systems') }} as register
full outer join kitos on try_cast(register.kitos_uuid as uuid) = kitos.it_system_uuid
