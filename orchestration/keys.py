"""Asset keys: one function per kind, so that what one side produces is what the other side depends on."""

from __future__ import annotations

import dagster as dg

REGISTER = dg.AssetKey(["register"])
VAULT = {name: dg.AssetKey(["vault", name]) for name in ("person_keys", "pseudonyms")}
"""The vault's tables → their assets."""
PLATFORM = "platform"
PLATFORM_TABLES = {
    "systems": "Systemer",
    "system_tables": "Systemernes tabeller",
    "system_columns": "Systemernes kolonner",
    "loads": "Indlæsninger",
    "rejects": "Frasorterede rækker",
    "column_lineage": "Kolonnernes herkomst",
    "metrics": "Nøgletal",
}
"""The platform's own tables → what they are called in the graph."""
WAREHOUSE_POOL = "warehouse"
FRESHNESS = "freshness"
"""Name of the check that a raw table is as new as the register wants it."""


def source_system(system_id: str) -> dg.AssetKey:
    return dg.AssetKey(["source", system_id])


def raw_table(system_id: str, table_name: str) -> dg.AssetKey:
    """Return the key of a landed table; a dbt source of the same names gets the same key."""
    return dg.AssetKey(["raw", system_id, table_name])


def published(role: str) -> dg.AssetKey:
    return dg.AssetKey(["published", role])


def report(name: str) -> dg.AssetKey:
    """Return the key of a dbt exposure: what is read of the warehouse."""
    return dg.AssetKey(["report", name])


def system_pool(system_id: str) -> str:
    """Return the pool that keeps two loads of one system apart: side by side they would publish over each other."""
    return f"system_{system_id}"
