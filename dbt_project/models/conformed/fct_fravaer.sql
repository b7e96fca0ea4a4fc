-- An employment that has changed unit is charged to the unit it was in: the source's own, else the employment's that day.
select
    fravaer.fravaer_id,
    fravaer.fra_dato,
    greatest(fravaer.til_dato, fravaer.fra_dato) as til_dato,
    coalesce(medarbejder.medarbejder_noegle, {{ unknown_key() }}) as medarbejder_noegle,
    coalesce(organisation.enhed_id, medarbejder.enhed_id, {{ unknown_key() }}) as enhed_id,
    coalesce(enhed.enhed_noegle, {{ unknown_key() }}) as enhed_noegle,
    fravaer.fravaersart,
    fravaer.timer
from {{ ref('stg_opus_loen__fravaer') }} as fravaer
{{ join_as_of('dim_medarbejder', 'medarbejder', 'medarbejdernummer', 'fravaer.medarbejdernummer', 'fravaer.fra_dato') }}
left join {{ ref('dim_organisation') }} as organisation on fravaer.enhed_id = organisation.enhed_id
{{ join_as_of('int_enhed__paa_dagen', 'enhed', 'enhed_id', "coalesce(organisation.enhed_id, medarbejder.enhed_id)", "fravaer.fra_dato") }}
