"""What is measured of a table that dbt built, for the graph's plots: rows, age of the oldest source, what columns are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from ingestion.home import Home
from orchestration.freshness import Lineage, Loads
from orchestration.translator import Translator

Manifest = Mapping[str, Any]

_PARTS = ("score", "fuldstaendighed", "gyldighed", "entydighed", "rettidighed", "sammenhaeng")


class Measures:
    """Metadata for each node of `manifest`, read once per build."""

    def __init__(self, manifest: Manifest, home: Home, loads: Loads, now: datetime) -> None:
        self._manifest, self._translator = manifest, Translator()
        self._edges: Mapping[str, Mapping[str, list[Mapping[str, Any]]]] = (
            json.loads(home.lineage.read_bytes())["edges"] if home.lineage.exists() else {}
        )
        self._age = _ages(manifest, loads, now)

    def of(self, unique_id: str, rows: int | None) -> dict[str, dg.MetadataValue]:
        """Return what is known of the node that has just been built."""
        found: dict[str, dg.MetadataValue] = {}
        if rows is not None:
            found["dagster/row_count"] = dg.MetadataValue.int(rows)
        found |= self.age(unique_id)
        if lineage := self._lineage(unique_id):
            found["dagster/column_lineage"] = dg.MetadataValue.column_lineage(lineage)
        return found

    def age(self, unique_id: str) -> dict[str, dg.MetadataValue]:
        """Return how old what the node builds on is, which goes on where nothing is built."""
        return {"source_age_hours": dg.MetadataValue.float(round(self._age[unique_id], 2))} if unique_id in self._age else {}

    def _lineage(self, unique_id: str) -> dg.TableColumnLineage | None:
        """Return the columns whose values go into each column; conditions that only decide which value is shown are left out."""
        deps = {
            column: [
                dg.TableColumnDep(asset_key=key, column_name=use["column"])
                for use in uses
                if use["direct"] and use["column"] != "*" and (key := self._key(use["relation"]))
            ]
            for column, uses in self._edges.get(unique_id, {}).items()
        }
        return dg.TableColumnLineage(deps) if any(deps.values()) else None

    def _key(self, unique_id: str) -> dg.AssetKey | None:
        node = self._manifest["nodes"].get(unique_id) or self._manifest["sources"].get(unique_id)
        return self._translator.get_asset_key(node) if node else None


def quality_scores(home: Home) -> dict[str, dict[str, float]]:
    """Return the parts of each system's quality score (0 to 100), as the newest build has them."""
    import duckdb

    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        try:
            rows = connection.execute(
                f"select system_id, {', '.join(_PARTS)} from marts.mart_datakvalitet_score where system_id <> 'I alt'"
            )
        except duckdb.CatalogException:
            return {}  # Not built yet.
        found = rows.fetchall()
    return {
        system_id: {name: float(value) for name, value in zip(_PARTS, values, strict=True) if value is not None}
        for system_id, *values in found
    }


def _ages(manifest: Manifest, loads: Loads, now: datetime) -> dict[str, float]:
    """Return, by dbt unique id, the hours since the oldest of the loads that the node builds on."""
    lineage = Lineage(manifest)
    ages: dict[str, float] = {}
    for system_id, tables in loads.items():
        for name, loaded in tables.items():
            hours = (now - loaded).total_seconds() / 3600
            for unique_id in lineage.downstream(lineage.sources(system_id, [name])):
                ages[unique_id] = max(ages.get(unique_id, 0.0), hours)
    return ages
