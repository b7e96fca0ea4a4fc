-- Visits are cancelled beforehand: how far Nexus has come is told by care that was given.
{{ coverage("'omsorg'", ref('fct_leveret_omsorg'), 'dato', 'leverede_minutter > 0') }}
