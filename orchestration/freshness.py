"""Marts that would rather not be built than be built on old data: `meta: {require_fresh: true}` in the model's dbt file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.home import Home
from ingestion.register import Register

Loads = Mapping[str, Mapping[str, datetime]]
"""By system and table, when (UTC) the newest good load began."""


def stale_tables(register: Register, loads: Loads, now: datetime) -> dict[str, list[str]]:
    """Return, by system, the tables older than the register allows, and those never loaded."""
    stale: dict[str, list[str]] = {}
    for system in register.systems.values():
        good = loads[system.id]
        limit = now - timedelta(hours=system.freshness.error_after_hours)
        old = [name for name in system.tables if name not in good or good[name] < limit]
        if old:
            stale[system.id] = old
    return stale


def last_loads(system_ids: Iterable[str], home: Home) -> Loads:
    """Return the newest good loads of these systems, from their raw files. A table that was never loaded is left out."""
    from ingestion.raw_file import read_logs

    return {
        system_id: {entry["table_name"]: entry["started_at"].replace(tzinfo=UTC) for entry in log if entry["status"] != "failed"}
        for system_id, log in read_logs(home, system_ids).items()
    }


def held_back(manifest: Mapping[str, Any], stale: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return the models that require fresh data and have a stale table upstream: unique id → the systems that are stale."""
    lineage = Lineage(manifest)
    found: dict[str, list[str]] = defaultdict(list)
    for system_id, tables in stale.items():
        for unique_id in lineage.downstream(lineage.sources(system_id, tables)):
            node = manifest["nodes"].get(unique_id)
            if node and (node.get("config", {}).get("meta") or {}).get("require_fresh"):
                found[unique_id].append(system_id)
    return dict(found)


class Lineage:
    """What follows from what, by dbt's manifest."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._children: dict[str, list[str]] = defaultdict(list)
        self._marts: dict[str, str] = {}
        self._sources: dict[tuple[str, str], str] = {}
        for unique_id, node in manifest.get("nodes", {}).items():
            if node["resource_type"] not in ("model", "snapshot"):
                continue
            for parent in node.get("depends_on", {}).get("nodes", []):
                self._children[parent].append(unique_id)
            if len(node["fqn"]) > 1 and node["fqn"][1] == "marts":
                self._marts[unique_id] = node["name"]
        for unique_id, source in manifest.get("sources", {}).items():
            self._sources[source["source_name"], source["name"]] = unique_id

    def sources(self, system_id: str, tables: Iterable[str]) -> list[str]:
        """Return the unique ids of the tables that dbt knows."""
        return [self._sources[system_id, table] for table in tables if (system_id, table) in self._sources]

    def downstream(self, unique_ids: Iterable[str]) -> set[str]:
        """Return `unique_ids` and everything that is built from them."""
        seen: set[str] = set()
        pending = list(unique_ids)
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending += self._children[node]
        return seen

    def marts_of_tables(self, system_id: str, tables: Iterable[str]) -> tuple[str, ...]:
        return self.marts_of(self.sources(system_id, tables))

    def marts_of(self, unique_ids: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the marts among `unique_ids` and everything built from them."""
        return tuple(sorted(self._marts[node] for node in self.downstream(unique_ids) if node in self._marts))
