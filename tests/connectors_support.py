"""A system with one table, a context, and all rows that come out: what every test of a connector needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from ingestion.connectors import connector_for
from ingestion.connectors.base import ReadContext
from ingestion.connectors.duck import Scan
from ingestion.register.model import System, TaggedSystem

TABLE = "tabel"
_adapter: TypeAdapter[System] = TypeAdapter(TaggedSystem)
HEAD: dict[str, Any] = {
    "title": "Prøve",
    "description": "Prøvesystem.",
    "department": "dagtilbud_skole",
    "product": "Prøve",
    "vendor": "Prøve A/S",
    "owner": {"team": "Hold", "email": "hold@eksempel.dk"},
    "data_steward": {"team": "Hold", "email": "hold@eksempel.dk"},
    "cadence": "daily",
    "freshness": {"warn_after_hours": 30, "error_after_hours": 60},
    "classification": "P3",
    "legal_basis": ["gdpr_6_1_e"],
    "purpose": ["statistik"],
    "retention": {"period": "P5Y", "after": "oprettelse"},
}
"""What every register entry says, but for how it is read and what."""


def column(kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"type": kind, "label": "Felt", "description": "Et felt.", **more}


def system(connection: dict[str, Any], source: dict[str, Any], columns: dict[str, Any], **table: Any) -> System:
    """A register entry with one table; `limits` among `table` goes to the system."""
    limits = table.pop("limits", {"timeout_seconds": 5, "retries": 0})
    return _adapter.validate_python(
        {
            "id": "proeve",
            **HEAD,
            "limits": limits,
            "connection": connection,
            "tables": {
                TABLE: {
                    "title": "Tabel",
                    "description": "En tabel.",
                    "key": [next(iter(columns))],
                    "write": "replace",
                    "expected_rows": {"min": 0},
                    "columns": columns,
                    "source": source,
                    **table,
                }
            },
        }
    )


def of_json(document: str) -> System:
    """A register entry that `model_dump_json` wrote."""
    return _adapter.validate_json(document)


def context(folder: Path, **known: Any) -> ReadContext:
    workdir = folder / "work"
    workdir.mkdir(exist_ok=True)
    return ReadContext(workdir=workdir, load_id="1700000000.1", **known)


def batches(of: System, into: ReadContext) -> list[pa.Table]:
    table = of.tables[TABLE]
    found = connector_for(of)(of, TABLE, table, into)
    try:
        return [_arrow(batch) for batch in found]
    finally:
        into.close()


def _arrow(batch: pa.Table | Path | Scan) -> pa.Table:
    if isinstance(batch, Path):
        return pq.read_table(batch)
    return duckdb.sql(batch.sql).to_arrow_table() if isinstance(batch, Scan) else batch


def rows(of: System, into: ReadContext) -> list[dict[str, Any]]:
    found = [row for batch in batches(of, into) for row in batch.to_pylist()]
    if of.connection.protocol == "files":
        assert {row["_source_ref"] for row in found} <= into.refs, "what may hold a CPR number is looked for among these"
    return found


def rejected(of: ReadContext) -> list[dict[str, Any]]:
    if not of.reject_path.exists():
        return []
    return [json.loads(line) for line in of.reject_path.read_text(encoding="utf-8").splitlines()]
