{{ coverage("'ydelser'", ref('fct_ydelse'), 'uge_mandag') }}
