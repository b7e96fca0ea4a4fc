"""What the platform knows of itself, as a raw file that dbt reads like any other: the register, the load logs, the rejects."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ingestion.connectors.base import SCHEMA
from ingestion.home import Home
from ingestion.landing import ensure_raw_files
from ingestion.raw_file import LOAD_COLUMNS, REJECT_COLUMNS, unreadable
from ingestion.register import Register, System
from ingestion.register.vocabulary import terms

if TYPE_CHECKING:
    import duckdb

SYSTEM_ID = "platform"
TEXT = "VARCHAR"
_PROTOCOLS = {
    "sql": "Database",
    "odata": "OData",
    "rest": "REST",
    "graphql": "GraphQL",
    "soap": "SOAP",
    "files": "Filer",
    "python": "Egen funktion",
}
"""How data are fetched, in the words of the system overview."""
SYSTEM_COLUMNS = {
    **dict.fromkeys(
        [
            *("system_id", "title", "description", "department", "department_title", "product", "vendor"),
            *("owner_team", "owner_email", "steward_team", "steward_email", "protocol", "cadence", "classification", "modifiers"),
            *("legal_basis", "purpose", "retention_period", "retention_after", "kitos_uuid"),
        ],
        TEXT,
    ),
    "warn_after_hours": "INTEGER",
    "error_after_hours": "INTEGER",
}
TABLE_COLUMNS = {
    **dict.fromkeys(["system_id", "table_name", "title", "description", "write_mode", "key_columns"], TEXT),
    "expected_min": "BIGINT",
    "expected_max": "BIGINT",
}
COLUMN_COLUMNS = {
    **dict.fromkeys(
        [
            *("system_id", "table_name", "source_name", "raw_name", "column_name"),
            *("type", "label", "description", "pii", "key_domain"),
        ],
        TEXT,
    ),
    **dict.fromkeys(["required", "direct_identifier", "free_text"], "BOOLEAN"),
}
LINEAGE_COLUMNS = {
    **dict.fromkeys(["mart", "mart_column", "kind", "system_id", "table_name", "source_column"], TEXT),
    "direct": "BOOLEAN",
    "depth": "INTEGER",
    "path": TEXT,
}
METRIC_COLUMNS = dict.fromkeys(
    ["metric", "label", "description", "unit", "owner", "tables", "periods", "dimensions", "query"], TEXT
)
TABLES: Mapping[str, Mapping[str, str]] = {
    "systems": SYSTEM_COLUMNS,
    "system_tables": TABLE_COLUMNS,
    "system_columns": COLUMN_COLUMNS,
    "loads": LOAD_COLUMNS,
    "rejects": REJECT_COLUMNS,
    "column_lineage": LINEAGE_COLUMNS,
    "metrics": METRIC_COLUMNS,
}


def build_platform(register: Register, home: Home) -> dict[str, int]:
    """Write `raw/platform.duckdb` anew and return its row counts by table.

    Also completes every system's raw file, so that dbt finds all the tables the register names, loaded or not.
    """
    import duckdb

    ensure_raw_files(register.systems, home)
    home.make_work()
    target = home.raw_file(SYSTEM_ID)
    # Its own name per process: two refreshes may meet here, and the last whole file wins.
    work = home.work / f"{SYSTEM_ID}-{os.getpid()}.duckdb"
    work.unlink(missing_ok=True)
    with duckdb.connect(str(work)) as connection:
        connection.execute(f"create schema {SCHEMA}")
        for name, columns in TABLES.items():
            connection.execute(
                f"create table {SCHEMA}.{name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})"
            )
        for name, rows in (_register_rows(register) | _prepared_rows(home)).items():
            _insert(connection, name, rows)
        lost = unreadable(home, register.systems)
        for system_id in register.systems:
            # What cannot be read is as it was the night before.
            path = target if system_id in lost else home.raw_file(system_id)
            if not path.exists():
                continue
            connection.execute(f"attach '{path}' as source (read_only)")
            for name, stored in (("loads", "load_log"), ("rejects", "load_rejects")):
                listed = ", ".join(TABLES[name])
                stored = f"{name} where system_id = '{system_id}'" if system_id in lost else stored
                connection.execute(f"insert into {SCHEMA}.{name} select {listed} from source.{SCHEMA}.{stored}")
            connection.execute("detach source")
        counts = {name: connection.table(f"{SCHEMA}.{name}").shape[0] for name in TABLES}
        connection.execute("force checkpoint")
    work.chmod(0o600)  # rejects hold raw text
    work.replace(target)
    return counts


def _insert(connection: duckdb.DuckDBPyConnection, name: str, rows: list[list[object]]) -> None:
    """Insert by Arrow: row by row, 200 systems' columns took a quarter of a minute."""
    import pyarrow as pa

    names = list(TABLES[name])
    incoming = pa.table({column: [row[position] for row in rows] for position, column in enumerate(names)})
    connection.register("incoming", incoming)
    connection.execute(f"insert into {SCHEMA}.{name} by name select * from incoming")
    connection.unregister("incoming")


def _register_rows(register: Register) -> dict[str, list[list[object]]]:
    systems: list[list[object]] = []
    tables: list[list[object]] = []
    columns: list[list[object]] = []
    for system in register.systems.values():
        systems.append(_system_row(system))
        for name, table in system.tables.items():
            expected = table.expected_rows
            tables.append(
                [system.id, name, table.title, table.description, table.write, ", ".join(table.key), expected.min, expected.max]
            )
            raw, warehouse = table.raw_names(), table.warehouse_names()
            columns += [
                [
                    system.id, name, source, raw[source], warehouse[source], column.type, column.label, column.description,
                    "P3" if column.free_text else column.pii, column.key_domain,
                    column.required, column.direct_identifier, column.free_text,
                ]
                for source, column in table.columns.items()
            ]  # fmt: skip
    return {"systems": systems, "system_tables": tables, "system_columns": columns}


def _prepared_rows(home: Home) -> dict[str, list[list[object]]]:
    """Return what was written with the dbt manifest: where each column of a mart begins, and the metrics."""
    lineage = json.loads(home.lineage.read_text(encoding="utf-8"))["origins"] if home.lineage.exists() else []
    metrics = json.loads(home.metrics.read_text(encoding="utf-8")) if home.metrics.exists() else []
    return {
        name: [[entry[column] for column in TABLES[name]] for entry in entries]
        for name, entries in (("column_lineage", lineage), ("metrics", metrics))
    }


def _system_row(system: System) -> list[object]:
    return [
        system.id, system.title, system.description, system.department, terms("departments")[system.department].title,
        system.product, system.vendor, system.owner.team, system.owner.email, system.data_steward.team, system.data_steward.email,
        _PROTOCOLS[system.connection.protocol], terms("cadences")[system.cadence].title, system.classification,
        ", ".join(system.modifiers), _titles("legal_bases", system.legal_basis), _titles("purposes", system.purpose),
        system.retention.period, system.retention.after,
        system.kitos_uuid, system.freshness.warn_after_hours, system.freshness.error_after_hours,
    ]  # fmt: skip


def _titles(vocabulary: str, codes: Sequence[str]) -> str:
    """Return them as the BI network reads them. Legal bases have commas in them."""
    return "; ".join(terms(vocabulary)[code].title for code in codes)
