{{ coverage("'vagter'", ref('fct_vagt'), 'dato') }}
