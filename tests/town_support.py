"""The practice municipality at a twentieth of its size, and the commands one runs on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

import demo
from ingestion.home import Home
from orchestration.refresh import refresh
from serving.query import run_query

ROLE = "bi_netvaerk"


class Town:
    """The practice municipality being served, and the commands one runs on it."""

    def __init__(self, home: Home, register: Path, shared: Path) -> None:
        self.home, self.register, self.shared = home, register, shared
        self.truth: dict[str, Any] = json.loads((home.demo / "truth.json").read_text(encoding="utf-8"))

    def refresh(self) -> Any:
        return refresh(self.home, folder=self.register)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Its systems answer; what its settings put into the environment ends with it, and leads no other municipality astray."""
        with mock.patch.dict(os.environ), demo.serve(self.home):
            self.home.load_settings()
            yield

    def folder(self, system_id: str) -> Path:
        return self.home.demo / system_id

    def raw(self, system_id: str, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home.raw_file(system_id)), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def warehouse(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def published(self, sql: str) -> list[tuple[Any, ...]]:
        return run_query(self.home, ROLE, sql)[1]

    def status(self) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
        """Return the exit code of `faellesdata status` and its entries by system and table."""
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "status", "--json", "--home", str(self.home.path)], capture_output=True, text=True
        )
        tables = json.loads(done.stdout)["tables"]
        return done.returncode, {(entry["system"], entry["table"]): entry for entry in tables}

    def landed(self, *, rejects: bool = True) -> dict[tuple[str, str], int]:
        """Rows, and if asked rejects, in the raw zone, by system and table."""
        counts = {}
        for system_id, tables in self.truth["systems"].items():
            with duckdb.connect(str(self.home.raw_file(system_id)), read_only=True) as raw:
                rejected = dict(raw.execute("select table_name, count(*) from raw.load_rejects group by 1").fetchall())
                for table in tables:
                    ((rows,),) = raw.execute(f'select count(*) from raw."{table}"').fetchall()
                    counts[system_id, table] = rows + (rejected.get(table, 0) if rejects else 0)
        return counts

    def expected(self) -> dict[tuple[str, str], int]:
        return {
            (system, name): table["rows"] for system, tables in self.truth["systems"].items() for name, table in tables.items()
        }
