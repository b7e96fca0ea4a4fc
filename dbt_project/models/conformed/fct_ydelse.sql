-- The state's flex contribution ("Fleksbidrag fra staten") stands in the file but is no benefit to the citizen: ydelser says which are.
-- The file is of the municipality's own cases: it acts in all of them, whoever bears the cost.
select
    beregninger.person_id,
    beregninger.ydelse,
    beregninger.uge_mandag,
    coalesce(borger.borger_noegle, {{ unknown_key() }}) as borger_noegle,
    coalesce(ydelser.ydelsesgruppe, beregninger.ydelse) as ydelsesgruppe,
    coalesce(kommune.kommunekode, {{ unknown_key() }}) as finansieringskommune,
    {{ own_municipality() }} as handlekommune,
    beregninger.beloeb,
    beregninger.refusionsprocent,
    beregninger.refusion,
    beregninger.kommunal_andel,
    beregninger.beregningsdato
from {{ ref('stg_ydelsesrefusion__beregninger') }} as beregninger
left join {{ ref('ydelser') }} as ydelser on beregninger.ydelse = ydelser.ydelse
{{ join_as_of('dim_borger', 'borger', 'person_id', 'beregninger.person_id', 'beregninger.uge_mandag') }}
left join {{ ref('dim_kommune') }} as kommune on beregninger.finansieringskommune = kommune.kommunekode
where coalesce(ydelser.til_borger, true)
