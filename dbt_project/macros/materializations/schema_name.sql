{#- A model's schema is its layer, not `main_<layer>`: the warehouse has one writer and no developer's sandboxes beside it. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
{{ custom_schema_name or target.schema }}
{%- endmacro -%}
