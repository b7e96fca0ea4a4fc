{{ coverage("'energi'", ref('fct_energi'), 'maaned') }}
union all
{{ coverage("'affald'", ref('fct_affald'), 'dato', 'vaegt_kg is not null') }}
union all
{{ coverage("'indkoeb'", ref('int_indkoeb__grupperet'), 'fakturadato') }}
