{{ coverage("'skranken'", ref('fct_borgerhenvendelse'), 'dato') }}
