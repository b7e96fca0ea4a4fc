-- Defined in _noegletal.yml; MetricFlow writes the SQL (serving/metrics.py).
select
    metric as noegletal,
    label as navn,
    description as definition,
    unit as enhed,
    owner as ejer,
    tables as tabeller,
    periods as perioder,
    dimensions as kan_deles_paa,
    query as forespoergsel
from {{ source('platform', 'metrics') }}
