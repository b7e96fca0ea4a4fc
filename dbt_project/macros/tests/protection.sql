{#-
    Who is protected stands nowhere: where `when` holds, each of the columns is at the unknown member. Protection of persons: whoever wrote
    the model mends it, before anything is published.
-#}
{% test nowhere(model, when, columns) %}
select *
from {{ model }}
where {{ when }} and ({% for column in columns %}{{ column }} is distinct from {{ unknown_key() }}{% if not loop.last %} or {% endif %}{% endfor %})
{% endtest %}
