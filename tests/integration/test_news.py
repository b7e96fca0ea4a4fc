"""A load writes only what is news, and says how much that was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from connectors_support import TABLE, column, system

from ingestion.home import Home
from ingestion.landing import TableLoad, land_system
from ingestion.raw_file import read_logs
from ingestion.register import System

Rows = list[tuple[Any, ...]]
MANY: Rows = [(number, f"Sag {number}", "2026-01-01 08:00:00") for number in range(1, 21)]


class Source:
    """A table of a database, and the register's view of it."""

    def __init__(self, folder: Path, home: Home) -> None:
        self.path, self.home = folder / "kilde.db", home

    def hold(self, rows: Iterable[tuple[Any, ...]], columns: str = "nr integer, titel text, aendret text") -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute("drop table if exists tabel")
            connection.execute(f"create table tabel ({columns})")
            rows = list(rows)
            connection.executemany(f"insert into tabel values ({', '.join('?' * len(columns.split(',')))})", rows)

    def register(self, **table: Any) -> System:
        columns = {"nr": column("integer"), "titel": column(), "aendret": column("timestamp")}
        return system({"protocol": "sql", "url": f"sqlite:///{self.path}"}, {"table": "tabel"}, columns, **table)

    def load(self, of: System, **arguments: Any) -> TableLoad:
        loaded = land_system(of, self.home, **arguments).tables[TABLE]
        assert loaded.status == "loaded", loaded.message
        return loaded

    def raw(self, columns: str = "nr, titel") -> Rows:
        with duckdb.connect(str(self.home.raw_file("proeve")), read_only=True) as connection:
            return connection.execute(f"select {columns} from raw.{TABLE} order by all").fetchall()


@pytest.fixture
def source(tmp_path: Path, home: Home) -> Source:
    return Source(tmp_path, home)


def test_a_snapshot_that_equals_yesterdays_is_no_news(source: Source, home: Home) -> None:
    of = source.register()
    source.hold(MANY)
    first = source.load(of)
    source.hold(reversed(MANY))
    again = source.load(of)
    assert (first.changed_rows, again.changed_rows, again.rows, again.table_rows) == (20, 0, 20, 20)
    assert {load_id for (load_id,) in source.raw("_dlt_load_id")} == {first.load_id}
    assert [entry["changed_rows"] for entry in read_logs(home, ["proeve"])["proeve"]] == [20, 0]


def test_of_a_snapshot_only_what_changed_is_written(source: Source) -> None:
    of = source.register()
    source.hold([*MANY, (None, "Uden nummer", None)])
    first = source.load(of)
    source.hold([*MANY[2:], (2, "Rettet", None), (21, "Ny", None), (None, "Uden nummer, rettet", None)])
    second = source.load(of)
    assert second.changed_rows == 4, "one is gone, two are changed, one is new"
    assert source.raw() == sorted(
        [*((number, title) for number, title, _ in MANY[2:]), (2, "Rettet"), (21, "Ny"), (None, "Uden nummer, rettet")],
        key=lambda row: row[0] or 99,
    )
    written = [number for number, load_id in source.raw("nr, _dlt_load_id") if load_id == second.load_id]
    assert written == [2, 21, None]
    assert first.load_id != second.load_id


def test_rows_of_one_key_stay_together(source: Source) -> None:
    of = source.register()
    source.hold([*MANY, (3, "Dublet", None)])
    source.load(of)
    source.hold([*MANY, (3, "Dublet", None)])
    assert source.load(of).changed_rows == 0
    source.hold([*MANY, (3, "Dublet, rettet", None)])
    assert source.load(of).changed_rows == 2, "both rows of the key"
    assert [title for number, title in source.raw() if number == 3] == ["Dublet, rettet", "Sag 3"]


def test_a_snapshot_that_is_another_takes_the_place_of_the_table(source: Source) -> None:
    of = source.register()
    source.hold(MANY)
    source.load(of)
    source.hold([(number, "Alt nyt", None) for number in range(30)])
    loaded = source.load(of)
    assert loaded.changed_rows == 30
    assert source.raw() == [(number, "Alt nyt") for number in range(30)]
    assert {load_id for (load_id,) in source.raw("_dlt_load_id")} == {loaded.load_id}


def test_a_new_column_makes_every_row_news(source: Source) -> None:
    of = source.register()
    source.hold(MANY)
    source.load(of)
    source.hold([(*row, "x") for row in MANY], "nr integer, titel text, aendret text, mere text")
    assert source.load(of).changed_rows is None
    assert source.raw("mere") == [("x",)] * 20


def test_rows_read_again_because_of_the_lag_are_no_news(source: Source) -> None:
    of = source.register(write="merge", cursor={"column": "aendret", "lag": "P3D"})
    source.hold(MANY)
    source.load(of)
    again = source.load(of)
    assert (again.rows, again.changed_rows) == (20, 0)
    source.hold([*MANY[:-1], (20, "Rettet", "2026-01-02 08:00:00")])
    assert source.load(of).changed_rows == 1
    assert source.raw()[-1] == (20, "Rettet")
    assert len(source.raw()) == 20


def test_texts_that_duckdb_hashes_alike_are_two(source: Source) -> None:
    one, other = "ZLFR20240728050000.xml~7", "ZLFR20250728050000.xml~8"
    assert duckdb.sql(f"select hash('{one}') = hash('{other}')").fetchall() == [(True,)], (
        "the reason to compare by another digest"
    )
    of = source.register()
    source.hold([*MANY, (21, one, None)])
    source.load(of)
    source.hold([*MANY, (21, other, None)])
    assert source.load(of).changed_rows == 1
    assert source.raw()[-1] == (21, other)


def test_a_full_load_writes_everything_anew(source: Source) -> None:
    of = source.register()
    source.hold(MANY)
    source.load(of)
    full = source.load(of, full=True)
    assert {load_id for (load_id,) in source.raw("_dlt_load_id")} == {full.load_id}


def test_of_one_keys_rows_another_is_last_now(tmp_path: Path, home: Home) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    of = system(
        {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}},
        {"format": "csv", "glob": "*.csv"},
        {"nr": column("integer"), "titel": column()},
    )
    lines = [f"{number};Sag {number}" for number in range(20)]
    for name, ends, changed in (("1", ("7;A", "7;B"), 22), ("2", ("7;A", "7;B"), 0), ("3", ("7;B", "7;A"), 3)):
        for earlier in drop.iterdir():
            earlier.unlink()
        (drop / f"{name}.csv").write_text("\n".join(["nr;titel", *lines, *ends]), encoding="utf-8")
        assert land_system(of, home).tables[TABLE].changed_rows == changed, name
