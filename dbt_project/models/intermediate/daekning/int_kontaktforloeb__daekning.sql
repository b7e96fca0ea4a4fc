{{ coverage("'samtaler'", ref('fct_kontaktforloeb'), 'dato') }}
