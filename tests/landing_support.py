"""A system made for a test, what it delivers, and what of it has landed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import yaml
from connectors_support import HEAD, column

from ingestion.home import Home
from ingestion.landing import SystemLoad
from ingestion.register import System, read_file


def table(source: dict[str, Any], columns: dict[str, str], write: str, key: list[str], **more: Any) -> dict[str, Any]:
    return {
        "title": "T", "description": "D", "key": key, "write": write, "expected_rows": {"min": 0}, "source": source,
        "columns": {name: column(kind) for name, kind in columns.items()}, **more,
    }  # fmt: skip


def system_of(folder: Path, system_id: str, connection: dict[str, Any], tables: dict[str, Any]) -> System:
    path = folder / HEAD["department"] / f"{system_id}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"id": system_id, **HEAD, "connection": connection, "tables": tables}, allow_unicode=True))
    system, problems = read_file(path)
    assert system is not None, problems
    return system


def put(drop: Path, name: str, *lines: str, encoding: str = "cp1252") -> None:
    (drop / name).write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))


def fetch(home: Home, sql: str, system: str = "bibliotek") -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home.raw_file(system)), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def statuses(load: SystemLoad) -> dict[str, str]:
    return {name: table.status for name, table in load.tables.items()}
