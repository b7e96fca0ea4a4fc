"""Role files: only what the role may see, whole versions, readers never disturbed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.connectors.duck import load_extension
from ingestion.home import Home
from ingestion.register import Register
from ingestion.vault import build_vault, vault_key
from serving.publish import PublicationError, publish
from serving.query import QueryError, run_query

ROLE = "bi_netvaerk"


def manifest(home: Home, **tables: list[str]) -> None:
    """Write a dbt manifest in which each table is meant for the roles given."""
    nodes = {
        f"model.f.{name}": {
            "alias": name,
            "schema": "marts",
            "resource_type": "model",
            "description": f"Om {name}: det's en prøve.",
            "columns": {"antal": {"name": "antal", "description": "Antal personer"}},
            "config": {"meta": {"audience": roles}},
        }
        for name, roles in tables.items()
    }
    path = home.dbt / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nodes": nodes}))


def warehouse(home: Home, *statements: str) -> None:
    home.work.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create schema if not exists marts")
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def small(home: Home) -> Home:
    warehouse(
        home,
        "create table marts.mart_a as select 1 as antal, 'Øst' as tekst",
        "create table marts.hemmelig as select 2 as antal",
    )
    manifest(home, mart_a=[ROLE], hemmelig=["andre"])
    return home


def test_a_role_gets_its_tables_and_no_other(small: Home) -> None:
    publication = publish(small, ROLE)
    assert publication.tables == {"mart_a": 1}
    current = small.published / ROLE / "current"
    assert current.resolve() == publication.path
    with duckdb.connect(str((current / "faellesdata.duckdb").resolve()), read_only=True) as role:
        assert role.execute("select schema_name, table_name, comment from duckdb_tables()").fetchall() == [
            ("main", "mart_a", "Om mart_a: det's en prøve.")
        ]
        comments = role.execute("select comment from duckdb_columns() where column_name = 'antal'").fetchall()
        assert comments == [("Antal personer",)]
    assert duckdb.read_parquet(str(current / "parquet" / "mart_a.parquet")).fetchall() == [(1, "Øst")]


def test_rows_about_persons_are_for_nobody_until_somebody_says_for_whom(small: Home) -> None:
    """Others on the machine read what the BI network does, but no mart with a row per person."""
    path = small.dbt / "manifest.json"
    told = json.loads(path.read_text())
    told["nodes"]["model.f.hemmelig"]["config"]["meta"]["classification"] = "P2"
    path.write_text(json.dumps(told))
    before = os.umask(0o022)
    try:
        folders = [publish(small, role).path.parent for role in (ROLE, "andre")]
        assert stat.S_IMODE(folders[1].stat().st_mode) == 0o700
        folders[1].chmod(0o755)
        publish(small, "andre")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o755, 0o750]


def test_the_examples_that_ask_its_tables_come_along(small: Home) -> None:
    path = small.dbt / "manifest.json"
    told = json.loads(path.read_text())
    told["nodes"] |= {
        f"analysis.f.{name}": {
            "name": name, "resource_type": "analysis", "config": {}, "raw_code": f"-- Hvor mange?\nfrom {{{{ ref('{name}') }}}}"
        }
        for name in ("mart_a", "hemmelig")
    }  # fmt: skip
    path.write_text(json.dumps(told))
    (example,) = (publish(small, ROLE).path / "eksempler").iterdir()
    assert example.name == "mart_a.sql"
    assert run_query(small, ROLE, example.read_text())[1] == [(1, "Øst")]


def test_a_uuid_is_published_as_text(small: Home) -> None:
    """Power BI takes a UUID for binary and leaves the column out, from Parquet as from DuckDB."""
    warehouse(small, "alter table marts.mart_a add column id uuid default '11111111-2222-3333-4444-555555555555'")
    publish(small, ROLE)
    current = (small.published / ROLE / "current").resolve()
    with duckdb.connect() as reader:
        reader.execute(f"attach '{current / 'faellesdata.duckdb'}' as published (read_only)")
        for relation in ("published.main.mart_a", f"'{current / 'parquet' / 'mart_a.parquet'}'"):
            assert [kind for name, kind, *_ in reader.execute(f"describe from {relation}").fetchall() if name == "id"] == [
                "VARCHAR"
            ]
            assert reader.execute(f"select id from {relation}").fetchall() == [("11111111-2222-3333-4444-555555555555",)]


def test_the_manifest_tells_rows_and_checksums(small: Home) -> None:
    publication = publish(small, ROLE)
    told = json.loads((publication.path / "manifest.json").read_text())
    assert told["version"] == publication.version
    assert told["tables"]["mart_a"]["rows"] == 1
    for entry in (told["database"], told["tables"]["mart_a"]):
        assert hashlib.sha256((publication.path / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


def test_the_file_has_the_storage_version_older_clients_read(small: Home) -> None:
    publication = publish(small, ROLE)
    header = (publication.path / "faellesdata.duckdb").read_bytes()[:64]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == 64


def test_what_was_deleted_is_not_in_the_bytes(small: Home) -> None:
    """A row deleted from a DuckDB file stays readable in it, so a version is never made from the one before."""
    secret = "Navn-Der-Skal-Væk"
    warehouse(small, f"insert into marts.mart_a select 3, '{secret}' from range(10)")
    first = publish(small, ROLE)
    assert secret.encode() in (first.path / "faellesdata.duckdb").read_bytes()
    warehouse(small, "delete from marts.mart_a where antal = 3")
    second = publish(small, ROLE)
    assert secret.encode() not in (second.path / "faellesdata.duckdb").read_bytes()


def test_the_order_of_rows_tells_nothing_of_what_is_hidden(small: Home) -> None:
    """A model's rows come as its windows left them: the smallest hidden cell of a set first."""
    cells = "('c', null), ('a', null), ('b', 9)"
    warehouse(small, f"create or replace table marts.mart_a as from (values {cells}) as t (gruppe, antal)")
    publication = publish(small, ROLE)
    shown = [("a", None), ("b", 9), ("c", None)]
    with duckdb.connect(str(publication.path / "faellesdata.duckdb"), read_only=True) as role:
        assert role.execute("select gruppe, antal from mart_a order by rowid").fetchall() == shown
    rows = "select gruppe, antal from read_parquet(?, file_row_number = true) order by file_row_number"
    assert duckdb.execute(rows, [str(publication.path / "parquet" / "mart_a.parquet")]).fetchall() == shown


def test_old_versions_are_pruned(small: Home) -> None:
    versions = [publish(small, ROLE, keep=2).version for _ in range(4)]
    left = sorted(path.name for path in (small.published / ROLE).iterdir() if not path.is_symlink())
    assert left == versions[-2:]


def test_what_a_killed_publication_left_is_swept_and_was_never_seen(small: Home) -> None:
    leftover = small.published / ROLE / ".building-20200101T000000Z"
    (leftover / "parquet").mkdir(parents=True)
    publish(small, ROLE)
    assert not leftover.exists()


def known(home: Home, *numbers: str) -> None:
    """Put CPR numbers into the vault."""
    build_vault(Register(systems={}), home)
    with duckdb.connect() as vault:
        load_extension(vault, "httpfs")
        vault.execute(f"attach '{home.vault}' as vault (encryption_key '{vault_key(home)}')")
        vault.executemany("insert into vault.person_keys values (?, ?, now())", [(number, uuid.uuid4()) for number in numbers])


@pytest.mark.parametrize(
    "text",
    [
        "'0101901234'",
        "'ring til 010190-1234 i morgen'",
        "'010190 1234'",
        "['x', '0101901234']",
        "'010190 – 1234'",
        "'010190.1234'",
        "'brev_0101901234_2.pdf'",
        "'01 01 90 1234'",
        "'01.01.90-1234'",
        "'cpr0101901234@skole.example'",
        "'0202904321;0101901234'",
        """json('{"a": [101901234]}')""",
        "'101901234'",
        "101901234",
        "101901234::double",
        "101901234::decimal(18, 4)",
    ],
)
def test_a_known_cpr_number_stops_the_publication(small: Home, text: str) -> None:
    before = publish(small, ROLE)
    known(small, "0101901234")
    warehouse(small, f"create or replace table marts.mart_a as select 1 as antal, {text} as tekst")
    with pytest.raises(PublicationError, match=r"mart_a\.tekst holds 1 CPR"):
        publish(small, ROLE)
    assert (small.published / ROLE / "current").resolve() == before.path
    left = {path.name for path in (small.published / ROLE).iterdir()}
    assert left == {"current", before.version}, "what was not finished takes up no disk"


def test_an_amount_or_a_key_that_looks_like_a_cpr_number_stops_nothing(small: Home) -> None:
    known(small, "0101901234", "2011853412")
    key, pseudonym = "a0101901234c4d5e6f7a8b9c0d1e2f3a", f"{'0f' * 20}a0101901234b{'0f' * 6}"
    rows = f"(101901234.00, 'sag 306-2011-853412', '{key}'), (1.50, '', '{pseudonym}'), (2.00, '60101901234', '')"
    warehouse(small, f"create or replace table marts.mart_a as from (values {rows}) as rows(antal, sag, noegle)")
    assert publish(small, ROLE).tables == {"mart_a": 3}


def test_a_p_number_that_is_somebodys_cpr_number_too_stops_nothing(small: Home) -> None:
    """P-numbers begin with 10, as the CPR numbers of all do who were born on the tenth: in a city some are the same."""
    known(small, "1001901234", "0101901234")
    warehouse(small, "create or replace table marts.mart_a as select 1 as antal, '1001901234' as p_nummer")
    publish(small, ROLE)
    warehouse(small, "insert into marts.mart_a values (1, '0101901234')")
    with pytest.raises(PublicationError, match=r"mart_a\.p_nummer holds 1 CPR"):
        publish(small, ROLE)


def test_no_cpr_number_spills_into_the_folder_that_we_stand_in(small: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself DuckDB spills into `.tmp` there: open to all, and, for a service, not to be written."""
    spilled = []

    def connect(*args: Any, **more: Any) -> duckdb.DuckDBPyConnection:
        connection = opened(*args, **more)
        spilled.extend(connection.execute("select current_setting('temp_directory')").fetchall())
        return connection

    opened = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", connect)
    build_vault(Register(systems={}), small)
    publish(small, ROLE)
    assert {("",), (str(small.work / "spill"),)} <= set(spilled)


def test_a_person_id_stops_the_publication(small: Home) -> None:
    warehouse(small, "create or replace table marts.mart_a as select uuid() as barn_person_id")
    with pytest.raises(PublicationError, match="person id"):
        publish(small, ROLE)


@pytest.fixture
def three(small: Home) -> Home:
    """Beside a mart: one that is made of it, and one that has nothing to do with it."""
    warehouse(small, *(f"create table marts.{name} as select 1 as antal" for name in ("mart_b", "arving")))
    manifest(small, mart_a=[ROLE], mart_b=[ROLE], arving=[ROLE])
    path = small.dbt / "manifest.json"
    told = json.loads(path.read_text())
    told["nodes"]["model.f.arving"]["depends_on"] = {"nodes": ["model.f.mart_a"]}
    path.write_text(json.dumps(told))
    return small


def test_a_refused_mart_stays_as_it_was_and_keeps_no_other_from_its_readers(three: Home) -> None:
    """With it stays what is made of it, for as long as it takes; which version it is of stands in file and manifest."""
    first = publish(three, ROLE)
    for night in (2, 3):
        warehouse(three, *(f"update marts.{name} set antal = {night}" for name in ("mart_b", "arving")))
        warehouse(three, f"create or replace table marts.mart_a as select {night} as antal, uuid() as barn_person_id")
        version = publish(three, ROLE)
        assert version.refused.keys() == {"mart_a"}
        assert version.held == {"arving": first.version, "mart_a": first.version}
        assert run_query(three, ROLE, "select mart_a.antal, arving.antal, mart_b.antal from mart_a, arving, mart_b")[1] == [
            (1, 1, night)
        ]
        told = json.loads((version.path / "manifest.json").read_text())["tables"]
        assert {name: table.get("as_of") for name, table in told.items()} == version.held | {"mart_b": None}
        comments = dict(run_query(three, ROLE, "select table_name, comment from duckdb_tables()")[1])
        assert comments["mart_a"].startswith("Som i udgaven fra ")
        assert comments["mart_b"].startswith("Om mart_b")
    warehouse(three, "alter table marts.mart_a drop barn_person_id")
    version = publish(three, ROLE)
    assert version.refused == version.held == {}
    assert run_query(three, ROLE, "select mart_a.antal, arving.antal from mart_a, arving")[1] == [(3, 3)]


def test_a_refused_mart_is_gone_where_its_readers_may_not_have_what_they_had_either(three: Home) -> None:
    warehouse(three, "update marts.mart_a set tekst = '0101901234'")
    publish(three, ROLE)
    known(three, "0101901234")
    version = publish(three, ROLE)
    assert version.tables.keys() == {"mart_b", "arving"}
    assert version.held.keys() == {"arving"}
    assert "stands in the versions before" in version.refused["mart_a"]
    assert version.missing == ["mart_a"]


def test_what_another_version_of_the_project_made_is_not_published(three: Home) -> None:
    """It may be what was meant for others: readers keep what they have, but no column that the project does not know."""
    path = three.dbt / "manifest.json"
    told = json.loads(path.read_text())
    for name in ("mart_a", "mart_b"):
        told["nodes"][f"model.f.{name}"]["config"]["contract"] = {"enforced": True}
    path.write_text(json.dumps(told))
    warehouse(three, "alter table marts.mart_a drop tekst")
    first = publish(three, ROLE)
    for name in ("mart_a", "mart_b"):
        warehouse(three, f"create or replace table marts.{name} as select 2 as antal, 'Anna' as navn")
    version = publish(three, ROLE)
    assert version.outdated == ["mart_a", "mart_b"]
    assert version.held == dict.fromkeys(version.outdated, first.version)
    assert version.refused == {}
    assert run_query(three, ROLE, "select mart_a.* from mart_a, mart_b") == (["antal"], [(1,)])
    # A column has come to the project, and another is in it no more.
    columns = {name: {"name": name, "description": "Ny"} for name in ("antal", "ny")}
    told["nodes"]["model.f.mart_a"]["columns"], told["nodes"]["model.f.mart_b"]["columns"] = columns, {"ny": columns["ny"]}
    path.write_text(json.dumps(told))
    version = publish(three, ROLE)
    assert version.held == {"mart_a": first.version}
    assert version.missing == ["mart_b"]
    assert "faellesdata refresh" in version.notes()[0]


def test_nothing_to_publish_is_told(home: Home) -> None:
    with pytest.raises(PublicationError, match="faellesdata refresh"):
        publish(home, ROLE)
    manifest(home, mart_a=["andre"])
    with pytest.raises(PublicationError, match="no model names"):
        publish(home, ROLE)
    with pytest.raises(PublicationError, match=r"warehouse.duckdb cannot be opened .*faellesdata refresh"):
        publish(home, "andre")


def test_readers_never_meet_a_lock_or_two_versions_at_once(home: Home) -> None:
    warehouse(home, "create table marts.a as select 0 as antal", "create table marts.b as select 0 as antal")
    manifest(home, a=[ROLE], b=[ROLE])
    publish(home, ROLE)
    stop, errors, read = threading.Event(), [], 0

    def reader() -> None:
        nonlocal read
        while not stop.is_set():
            try:
                _, rows = run_query(home, ROLE, "select a.antal, b.antal from a, b")
                assert rows[0][0] == rows[0][1], rows
                read += 1
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 13):
        warehouse(home, f"update marts.a set antal = {number}", f"update marts.b set antal = {number}")
        publish(home, ROLE, keep=3)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert read > 12
    assert run_query(home, ROLE, "select antal from a")[1] == [(12,)]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{path}')",
        "attach '{path}' as other",
        "copy mart_a to '{path}.csv'",
        "set enable_external_access = true",
        "create table x as select 1",
        "delete from mart_a",
        "install httpfs",
    ],
)
def test_a_members_sql_reaches_nothing_but_the_published_file(small: Home, sql: str, tmp_path: Path) -> None:
    publish(small, ROLE)
    with pytest.raises(QueryError):
        run_query(small, ROLE, sql.format(path=small.warehouse))
    assert run_query(small, ROLE, "select antal from mart_a") == (["antal"], [(1,)])


def guarded(home: Home, *rows: str, asked: bool = True, **more: Any) -> None:
    """A mart of cells and a month's total that says it hides small cells, and asks that they stay hidden."""
    warehouse(
        home,
        f"create or replace table marts.mart_a as select * from (values {', '.join(rows)}) as t(maaned, gruppe, antal, kroner)",
    )
    manifest(home, mart_a=[ROLE])
    path = home.dbt / "manifest.json"
    content = json.loads(path.read_text())
    content["nodes"]["model.f.mart_a"]["config"]["meta"] |= {"suppression": {"threshold": 5}, "grain": ["maaned", "gruppe"]}
    question = {"within": ["maaned"], "total": "gruppe = 'I alt'", "measures": ["kroner"], "counts": ["antal"]} | more
    if asked:
        content["nodes"]["test.f.t"] = {
            "resource_type": "test",
            "attached_node": "model.f.mart_a",
            "test_metadata": {"name": "not_recoverable", "kwargs": question},
            "config": {},
        }
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("more", [{}, {"counts": [], "persons": ["antal"]}])
def test_a_mart_that_shows_a_count_of_few_persons_is_refused(small: Home, more: dict[str, Any]) -> None:
    """Whoever wrote it thought of the totals, and forgot to hide the cell itself."""
    rows = ("(1, 'A', 20, 200), (1, 'B', 4, 40)", "(1, 'I alt', 24, 240)")
    guarded(small, *rows, **more)
    with pytest.raises(PublicationError, match="mart_a shows counts of few persons: antal in 1 rows"):
        publish(small, ROLE)
    guarded(small, *rows, **more, no_persons="gruppe = 'B'")
    assert publish(small, ROLE).tables["mart_a"] == 3


def test_a_mart_that_gives_a_hidden_cell_away_stops_the_publication(small: Home) -> None:
    shown = "(1, 'A', 20, 200), (1, 'B', 30, 300)"
    before = publish(small, ROLE).path
    for leak in (
        "(1, 'C', null, null), (1, 'I alt', 53, 530)",  # one unknown
        "(1, 'C', 30, 30), (1, 'I alt', null, null)",  # the total is the unknown
        "(1, 'C', null, null), (1, 'D', null, null), (1, 'I alt', 56, null)",  # 1 + 5 and nothing else
    ):
        guarded(small, shown, leak)
        with pytest.raises(PublicationError, match=r"mart_a gives hidden cells away: .* in 1 sets of maaned"):
            publish(small, ROLE)
    assert (small.published / ROLE / "current").resolve() == before
    guarded(small, shown, "(1, 'C', null, null), (1, 'D', null, null), (1, 'I alt', 59, 590)")
    assert publish(small, ROLE).tables == {"mart_a": 5}


def test_a_part_of_hidden_persons_is_hidden_be_it_nobody(small: Home) -> None:
    parts = {"counts": ["antal", "kroner"], "measures": [], "parts": {"kroner": "antal"}}
    shown = "(1, 'A', 20, 20), (1, 'I alt', 30, 26), (2, 'A', null, 0), (2, 'B', null, 0), (2, 'I alt', 10, 0)"
    told = "(1, 'C', null, 0), (1, 'D', null, 6)"
    guarded(small, shown, told)
    publish(small, ROLE)
    guarded(small, shown, told, **parts)
    with pytest.raises(PublicationError, match=r"mart_a gives hidden cells away: kroner in 1 sets of maaned"):
        publish(small, ROLE)
    guarded(small, shown, "(1, 'C', null, null), (1, 'D', null, null)", **parts)
    assert publish(small, ROLE).unchanged_sets == {}, "yesterday's version, of another rule, is nothing to keep to"
    _, rows = run_query(small, ROLE, "select gruppe, kroner from mart_a where maaned = 1")
    assert rows == [("A", 20), ("C", None), ("D", None), ("I alt", 26)]


def test_a_mart_that_hides_cells_must_say_how_they_stay_hidden(small: Home) -> None:
    guarded(small, "(1, 'A', 20, 200)", asked=False)
    with pytest.raises(PublicationError, match="no test not_recoverable"):
        publish(small, ROLE)


def cells(month: int, **persons: int) -> str:
    """A month's cells and total as a mart publishes them: the small and the smallest beside them hidden; ten kroner a person."""
    smallest = sorted(persons, key=lambda group: persons[group])
    small = [group for group in smallest if persons[group] < 5]
    hidden = smallest[: len(small) + 1] if small else []
    rows = [(group, "null" if group in hidden else str(count)) for group, count in persons.items()]
    rows.append(("I alt", str(sum(persons.values()))))
    return ", ".join(f"({month}, '{group}', {count}, {count} * 10)" for group, count in rows)


def seen(home: Home, month: int = 1) -> dict[str, int | None]:
    _, rows = run_query(home, ROLE, f"select gruppe, antal from mart_a where maaned = {month}")
    return dict(rows)


@pytest.mark.parametrize(
    ("yesterday", "today"),
    [
        # Another cell hides the small one: with yesterday's B in yesterday's sum, A would be 3.
        ({"A": 3, "B": 20, "C": 22, "D": 40}, {"A": 3, "B": 20, "C": 19, "D": 40}),
        # The small cell has grown, and nothing hides B any more: A was 3.
        ({"A": 3, "B": 20, "D": 40}, {"A": 5, "B": 20, "D": 40}),
        # A new small cell beside one that was shown: 61 - 60.
        ({"B": 20, "D": 40}, {"A": 1, "B": 20, "D": 40}),
        # A cell that was shown has become small.
        ({"A": 5, "B": 20, "D": 40}, {"A": 4, "B": 20, "D": 40}),
    ],
)
def test_two_versions_do_not_tell_what_each_hides(small: Home, yesterday: dict[str, int], today: dict[str, int]) -> None:
    """The set stays as it was until it has changed enough; others in the same table are today's."""
    guarded(small, cells(1, **yesterday), cells(2, A=7, B=20))
    publish(small, ROLE)
    before = seen(small)
    guarded(small, cells(1, **today), cells(2, A=9, B=20))
    version = publish(small, ROLE)
    assert seen(small) == before
    assert seen(small, 2) == {"A": 9, "B": 20, "I alt": 29}
    assert version.unchanged_sets == {"mart_a": 1}
    assert json.loads((version.path / "manifest.json").read_text())["tables"]["mart_a"]["unchanged_sets"] == 1
    # Everybody has come by now: no cell is what it was.
    guarded(small, cells(1, **{group: count + 30 for group, count in today.items()}), cells(2, A=9, B=20))
    assert publish(small, ROLE).unchanged_sets == {}
    assert seen(small)["I alt"] == sum(today.values()) + 30 * len(today)


def test_a_bad_night_between_two_versions_does_not_make_them_tell(small: Home) -> None:
    """Each version that is kept counts, not the last alone; what is kept to is the version that would be told."""
    guarded(small, cells(1, A=3, B=20, D=40))
    publish(small, ROLE)
    first = seen(small)
    guarded(small, cells(1, A=33, B=50, D=70))
    assert publish(small, ROLE).unchanged_sets == {}
    guarded(small, cells(1, A=5, B=20, D=40))
    assert publish(small, ROLE).unchanged_sets == {"mart_a": 1}
    assert seen(small) == first


def test_a_month_that_grows_is_shown_when_it_can_be(small: Home) -> None:
    guarded(small, cells(2, A=2, B=3, C=6))
    publish(small, ROLE)
    guarded(small, cells(2, A=3, B=4, C=9), cells(3, A=1, B=30))
    assert publish(small, ROLE).unchanged_sets == {}
    assert seen(small, 2) == {"A": None, "B": None, "C": None, "I alt": 16}
    assert seen(small, 3) == {"A": None, "B": None, "I alt": 31}, "a new month has no yesterday"
    guarded(small, cells(2, A=13, B=17, C=20))
    assert publish(small, ROLE).unchanged_sets == {}
    assert seen(small, 2)["A"] == 13
    assert seen(small, 3) == {}, "what is gone does not come again"
