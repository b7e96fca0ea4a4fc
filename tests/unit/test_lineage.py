"""Column-level lineage over SQL of every shape the project uses, with a manifest of three relations."""

from __future__ import annotations

from typing import Any

import pytest

from serving.lineage import column_edges, lineage, origins


def relation(kind: str, name: str, schema: str, columns: list[str], parents: list[str], **more: Any) -> dict[str, Any]:
    return {
        "resource_type": kind,
        "unique_id": f"{kind}.{name}",
        "name": name,
        "schema": schema,
        "relation_name": f'"warehouse"."{schema}"."{name}"',
        "columns": {column: {"name": column, "config": {"meta": {}}} for column in columns},
        "depends_on": {"nodes": parents},
        "config": {"meta": {}},
        "raw_code": "select",
        **more,
    }


SOURCE = relation("source", "pay", "raw", ["belob", "art", "dato", "cpr"], [], source_name="opus")
SOURCE["columns"]["belob"]["config"]["meta"]["source_name"] = "Beløb"


def trace(sql: str, column: str) -> dict[tuple[str, str], bool]:
    """Return the origins of a mart's column: table and column → whether its value goes in."""
    mart = relation("model", "mart_x", "marts", [], ["source.pay", "seed.arter"])
    manifest = {
        "nodes": {"model.mart_x": mart, "seed.arter": relation("seed", "arter", "seeds", ["art", "navn"], [])},
        "sources": {"source.pay": SOURCE},
    }
    problems: dict[str, str] = {}
    edges = column_edges(manifest, {"model.mart_x": sql}, problems)
    assert not problems
    return {
        (origin.table_name or "", origin.source_column or ""): origin.direct
        for origin in origins(manifest, edges)
        if origin.mart_column == column
    }


PAY = '"warehouse"."raw"."pay"'
ARTER = '"warehouse"."seeds"."arter"'


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"select belob as x from {PAY}", {("pay", "Beløb"): True}),
        (f"with a as (select * from {PAY}) select sum(belob) as x from a group by art", {("pay", "Beløb"): True}),
        (f"select case when art = '1' then belob end as x from {PAY}", {("pay", "Beløb"): True, ("pay", "art"): False}),
        (f"select sum(belob) filter (where art = '1') as x from {PAY}", {("pay", "Beløb"): True, ("pay", "art"): False}),
        (f"select count(*) as x from {PAY}", {("pay", "*"): True}),
        (f"select p.navn as x from {PAY} as q left join {ARTER} as p on q.art = p.art", {("arter", "navn"): True}),
        (f"select art, belob as x from {PAY} union all by name select navn as x from {ARTER}",
         {("pay", "Beløb"): True, ("arter", "navn"): True}),
        (f"select dato, belob as x from {PAY} union all select art, navn from {ARTER}",
         {("pay", "Beløb"): True, ("arter", "navn"): True}),
        (f"select (select max(navn) from {ARTER} as a where a.art = p.art) as x from {PAY} as p", {("arter", "navn"): True}),
        ("select 1 as x", {("mart_x", "x"): True}),
        ("select unnest(range(3)) as x", {("mart_x", "x"): True}),
    ],
)  # fmt: skip
def test_a_column_is_followed_to_where_it_begins(sql: str, expected: dict[tuple[str, str], bool]) -> None:
    assert trace(sql, "x") == expected


def test_a_filter_of_a_correlated_query_is_a_condition() -> None:
    sql = f"select case when exists (select 1 from {ARTER} as a where a.art = p.art) then belob end as x from {PAY} as p"
    assert trace(sql, "x")[("pay", "Beløb")]


def test_a_model_that_cannot_be_read_is_named_and_the_rest_is_traced() -> None:
    good = relation("model", "mart_good", "marts", [], ["source.pay"])
    bad = relation("model", "mart_bad", "marts", [], ["source.pay"])
    missing = relation("model", "mart_missing", "marts", [], [])
    nodes = {node["unique_id"]: node for node in (good, bad, missing)}
    content = lineage(
        {"nodes": nodes, "sources": {"source.pay": SOURCE}},
        {"model.mart_good": f"select belob from {PAY}", "model.mart_bad": "select from where ("},
    )
    assert set(content["problems"]) == {"mart_bad", "mart_missing"}
    assert [origin["path"] for origin in content["origins"]] == ["mart_good.belob < opus.pay.Beløb"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # A CTE that is only joined stands first in the text, and so among the parents.
        (f"with a as (select distinct art from {ARTER}) select p.* from {PAY} as p left join a on p.art = a.art", {"pay"}),
        (f"with a as (select art from {ARTER}) select art from {PAY} union all select art from a", {"pay", "arter"}),
        # Months, and what there is in each: both, though the months stand first.
        (f"with d as (select unnest(range(3)) as art) select d.art from d inner join {PAY} as p on d.art = p.art", {"pay"}),
        (f"with d as (select unnest(range(3)) as art) select d.art from d left join {ARTER} as a on d.art = a.art", {"int_x"}),
    ],
)
def test_rows_of_another_model_are_those_of_its_query(rows: str, expected: set[str]) -> None:
    between = relation("model", "int_x", "intermediate", [], ["seed.arter", "source.pay"])
    mart = relation("model", "mart_x", "marts", [], ["model.int_x"])
    nodes = {"model.int_x": between, "model.mart_x": mart, "seed.arter": relation("seed", "arter", "seeds", ["art", "navn"], [])}
    counted = 'select count(*) as x from "warehouse"."intermediate"."int_x"'
    content = lineage({"nodes": nodes, "sources": {"source.pay": SOURCE}}, {"model.int_x": rows, "model.mart_x": counted})
    assert {(one["table_name"], one["source_column"]) for one in content["origins"]} == {(table, "*") for table in expected}
    assert all("*" not in columns for columns in content["edges"].values())
