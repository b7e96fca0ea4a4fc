-- A holiday is told of beforehand: how far absences are known is told by those that were written down on their day or after it.
{{ coverage("'elevfravaer'", ref('stg_kmd_elev__fravaer'), 'dato', 'dato <= rettet_tidspunkt') }}
