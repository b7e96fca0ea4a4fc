-- A holiday is told of beforehand: how far OPUS has come is told by who fell ill.
{{ coverage("'fravaer'", ref('fct_fravaer'), 'fra_dato', "fravaersart = 'syg'") }}
