{#
    A table, replaced in one statement. The adapter's own materialisation builds beside, renames twice and drops (four statements more a
    model); DuckDB replaces a table inside its transaction, and the warehouse has one writer and no grants, so half the time is saved.
    No foreign keys, indexes or partitions: the warehouse has none. Column types of a contract are checked before the table is made.
#}
{% materialization table, adapter="duckdb", supported_languages=["sql", "python"] %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="table") -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing is not none and existing.type != "table" -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- if config.get("mend") -%}
        {{ mend_rows(target_relation, sql) }}
    {%- elif model["language"] == "python" -%}
        {#- The adapter's own statement makes a table, and replaces none. -#}
        {%- if existing is not none and existing.type == "table" -%}
            {%- do adapter.drop_relation(existing) -%}
        {%- endif -%}
        {%- call statement("main", language="python") -%}
            {{- create_table_as(False, target_relation, compiled_code, "python") -}}
        {%- endcall -%}
    {%- else -%}
        {%- call statement("main") -%}
            {%- if config.get("contract").enforced %}
                {{ get_assert_columns_equivalent(sql) }}
            {%- endif %}
            create or replace table {{ target_relation }} as (
                {{ sql }}
            )
        {%- endcall -%}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- if config.get("mend") -%}
        {%- for used in [news_of(target_relation), lacking_of(target_relation), differs_of(target_relation)] -%}
            {%- do run_query("drop table " ~ used) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}

{#-
    Mends a staging table in place: `sql` gives what it lacks of raw (`rows_of`). Rows that raw no longer has go, and of the rows with one key
    the last stays, as when the table is made whole; so one that was dropped for another comes back when that one goes.
-#}
{% macro mend_rows(relation, sql) %}
    {%- set raw = source(*(model.sources | rejectattr(0, "equalto", "vault") | first)) -%}
    {%- set key = model.config.meta.grain | join(", ") -%}
    {%- set news = news_of(relation) -%}
    {#- What one side has and the other has not, in one look at both; and what raw has more in a step of its own: else DuckDB converts all
        rows, to see which have a key, before it leaves out those that are there. -#}
    {%- call statement("differs") -%}
        create or replace temp table {{ differs_of(relation) }} as
        select *
        from (
            select
                source.rowid as lacking,
                staged.rowid as gone
            from {{ raw }} as source
            full join {{ relation }} as staged
                on {{ same_row("source", "staged") }}
        )
        where lacking is null or gone is null
    {%- endcall -%}
    {%- call statement("lacking") -%}
        create or replace temp table {{ lacking_of(relation) }} as
        select * from {{ raw }} where rowid in (select lacking from {{ differs_of(relation) }})
    {%- endcall -%}
    {%- call statement("news") -%}
        create or replace temp table {{ news }} as (
            {{ sql }}
        )
    {%- endcall -%}
    {%- call statement("gone") -%}
        delete from {{ relation }} where rowid in (select gone from {{ differs_of(relation) }})
    {%- endcall -%}
    {%- call statement("last") -%}
        create or replace temp table {{ news }} as
        select *
        from (
            from {{ news }}
            union all by name
            from {{ relation }} where ({{ key }}) in (select ({{ key }}) from {{ news }})
        )
        qualify row_number() over (partition by {{ key }} order by {{ latest_first() }}) = 1
    {%- endcall -%}
    {%- call statement("earlier") -%}
        delete from {{ relation }} where ({{ key }}) in (select ({{ key }}) from {{ news }})
    {%- endcall -%}
    {%- call statement("main") -%}
        insert into {{ relation }} by name from {{ news }}
    {%- endcall -%}
{% endmacro %}

{#- Where the rows are by which a table is mended: as staging has them, as raw has them, and which they are. -#}
{% macro news_of(relation) %}{{ return("temp.news_of_" ~ relation.identifier) }}{% endmacro %}
{% macro lacking_of(relation) %}{{ return("temp.lacking_of_" ~ relation.identifier) }}{% endmacro %}
{% macro differs_of(relation) %}{{ return("temp.differs_of_" ~ relation.identifier) }}{% endmacro %}
