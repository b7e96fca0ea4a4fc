{#-
    What dbt makes by hand is marked as begun, in the transaction that makes it, so that the next refresh makes it again: what came of a trial
    would else stay when the trial is taken back. A refresh, which tags what it makes, notes that itself (`orchestration/plan.py`).
-#}
{%- macro begun_by_hand() -%}
{%- if execute and "to_be_made_now" not in model.tags and adapter.get_relation(target.database, "main", "build_state") -%}
update main.build_state set status = 'begun' where unique_id = '{{ model.unique_id }}'
{%- endif -%}
{%- endmacro -%}
