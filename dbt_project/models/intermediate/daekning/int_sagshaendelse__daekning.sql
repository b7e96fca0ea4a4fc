{{ coverage("'noter'", ref('fct_sagshaendelse'), 'dato') }}
