"""How many rows a table has that dbt has just built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STORED = {"table", "incremental", "seed", "snapshot"}
"""Materialisations whose rows DuckDB counts from the file's own statistics; a view would be computed for it."""


def count_rows(event: Mapping[str, Any]) -> int | None:
    """Return the rows of the table that the event (dbt's result of a node) tells of.

    Called in dbt's own thread, where its connection to the warehouse is open.
    """
    import duckdb
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    info = event["data"].get("node_info", {})
    relation, environment = (info.get("node_relation") or {}).get("relation_name"), DuckDBConnectionManager._ENV
    connection = getattr(environment, "conn", None)
    if info.get("node_status") != "success" or info.get("materialized") not in _STORED or not relation or connection is None:
        return None
    try:
        row: tuple[int] = connection.cursor().execute(f"select count(*) from {relation}").fetchone()
    except duckdb.Error:
        return None  # A measure less; the table itself is built.
    return row[0]
