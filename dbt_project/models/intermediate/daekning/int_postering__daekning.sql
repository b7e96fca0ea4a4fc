{{ coverage("'posteringer'", ref('fct_postering'), 'bogfoeringsdato') }}
