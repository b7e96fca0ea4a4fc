"""Landing with real dlt, DuckDB, and files: nothing lost, nothing doubled, a fault stays where it is."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import duckdb
import jinja2
import pytest
import yaml
from connectors_support import HEAD, column
from dlt.common.time import increasing_precise_time as load_ids
from landing_support import fetch, put, statuses, system_of, table

from ingestion import landing
from ingestion.connectors import csv, folders
from ingestion.home import Home
from ingestion.landing import ensure_raw_files, land_system, preview
from ingestion.raw_file import newest_changes, read_logs
from ingestion.register import System, read_file
from ingestion.work_file import publish

LOANS = {"id": "integer", "titel": "text", "beløb": "decimal_dk"}


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


@pytest.fixture
def library(tmp_path: Path, drop: Path) -> System:
    csv = {"format": "csv", "encoding": "cp1252"}
    return system_of(
        tmp_path / "register",
        "bibliotek",
        {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}},
        {
            "udlaan": table({**csv, "glob": "udlaan*.csv"}, LOANS, "append", ["id"]),
            "filialer": table({**csv, "glob": "filialer.csv"}, {"id": "integer", "navn": "text"}, "replace", ["id"]),
        },
    )


def good_files(drop: Path) -> None:
    put(drop, "udlaan-1.csv", "id;titel;beløb", "1;Øen;1,50", "2;Ærø;2,00")
    put(drop, "filialer.csv", "id;navn", "1;Nykøbing")


def test_rows_land_as_they_came_with_load_and_position(library: System, drop: Path, home: Home) -> None:
    good_files(drop)
    load = land_system(library, home)
    assert statuses(load) == {"udlaan": "loaded", "filialer": "loaded"}
    rows = fetch(home, "select id, titel, beloeb, _source_ref, _source_row, _dlt_load_id from raw.udlaan order by id")
    load_id = load.tables["udlaan"].load_id
    assert rows == [("1", "Øen", "1,50", "udlaan-1.csv", 2, load_id), ("2", "Ærø", "2,00", "udlaan-1.csv", 3, load_id)]
    assert fetch(home, "select count(*) from raw._dlt_loads") == [(1,)]
    assert home.raw_file("bibliotek").stat().st_mode & 0o077 == 0
    assert not list((home.work).glob("bibliotek/*"))


def test_neither_telemetry_nor_a_setting_of_somebody_elses_has_a_say(
    library: System, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlt.common.configuration.resolve import resolve_configuration
    from dlt.common.configuration.specs import RuntimeConfiguration
    from dlt.common.runtime import anon_tracker

    good_files(drop)
    monkeypatch.setenv("SCHEMA__NAMING", "direct")
    land_system(library, home)
    assert fetch(home, "select beloeb from raw.udlaan order by id") == [("1,50",), ("2,00",)]
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "true")
    assert resolve_configuration(RuntimeConfiguration()).dlthub_telemetry is False
    assert anon_tracker._ANON_TRACKER_ENDPOINT is None


def latest(home: Home, name: str) -> list[tuple[object, ...]]:
    """Return id and second column of the row of each id that staging takes."""
    macros = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "sql" / "staging.sql"
    order = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(macros.read_text(encoding="utf-8")).module.latest_first()
    rows = fetch(home, f"from raw.{name} qualify row_number() over (partition by id order by {order}) = 1 order by id")
    return [row[:2] for row in rows]


def test_of_several_files_in_one_load_the_last_ones_rows_count(library: System, drop: Path, home: Home) -> None:
    put(drop, "udlaan-20260109.csv", "id;titel;beløb", "2;Ærø;1,00", "3;Fur;1,00", "1;Øen;1,00")
    put(drop, "udlaan-20260112.csv", "id;titel;beløb", "1;Øen, 2. udgave;1,00", "2;Als;1,00", "2;Ærø og Als;1,00")
    put(drop, "filialer.csv", "id;navn", "1;Nykøbing")
    land_system(library, home)
    assert latest(home, "udlaan") == [("1", "Øen, 2. udgave"), ("2", "Ærø og Als"), ("3", "Fur")]


def test_a_clock_that_was_set_back_hides_nothing_that_comes_after(
    library: System, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    good_files(drop)
    monkeypatch.setattr(load_ids, "_last", time.time() + 3e7)
    monkeypatch.setattr(
        landing, "datetime", type("Ahead", (datetime,), {"now": lambda zone: datetime.now(zone) + timedelta(365)})
    )
    land_system(library, home)
    monkeypatch.undo()
    put(drop, "udlaan-2.csv", "id;titel;beløb", "1;Øen, rettet;1,50")
    put(drop, "filialer.csv", "id;navn;by;by")
    load = land_system(library, home)
    assert latest(home, "udlaan") == [("1", "Øen, rettet"), ("2", "Ærø")]
    log = read_logs(home, [library.id])[library.id]
    assert newest_changes(log)["udlaan"] == load.tables["udlaan"].load_id
    assert {entry["table_name"]: entry["status"] for entry in log} == {"udlaan": "loaded", "filialer": "failed"}
    assert max(entry["started_at"] for entry in log) < datetime.now(UTC).replace(tzinfo=None)


def test_the_same_file_twice_is_taken_once(library: System, drop: Path, home: Home) -> None:
    good_files(drop)
    land_system(library, home)
    again = land_system(library, home)
    assert statuses(again) == {"udlaan": "unchanged", "filialer": "unchanged"}
    assert fetch(home, "select count(*) from raw.filialer") == [(1,)]
    assert fetch(home, "select count(*) from raw.udlaan") == [(2,)]
    # Delivered again under the same name, byte for byte, with a new time.
    os.utime(drop / "udlaan-1.csv", (time.time() + 100, time.time() + 100))
    land_system(library, home)
    assert fetch(home, "select count(*) from raw.udlaan") == [(2,)]


def test_many_files_are_few_jobs_and_one_state(library: System, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt looks through all jobs of a load for each, and keeps a state of every load, which names all files."""
    import dlt

    put(drop, "filialer.csv", "id;navn", "1;Nykøbing")
    for number in range(150):
        more = (";ekstra", f";e'{number}") if number % 3 == 0 else ("", "")
        lines = [f"{number};Øen {number};1,00{more[1]}", f"{number + 1000};x;2,00{more[1]}"]
        put(drop, f"udlaan-{number:03}.csv", f"id;titel;beløb{more[0]}", *lines)
    jobs, import_of = [], dlt.mark.with_file_import
    monkeypatch.setattr(dlt.mark, "with_file_import", lambda *given, **more: jobs.append(given) or import_of(*given, **more))
    assert land_system(library, home).failed == []
    assert len(jobs) < 10
    assert sum(rows for _, _, rows in jobs) == 301
    columns = "id, titel, beloeb, ekstra, _source_ref"
    found = fetch(home, f"select {columns} from raw.udlaan where _source_row = 2 order by _source_ref")
    assert found == [(str(n), f"Øen {n}", "1,00", f"e'{n}" if n % 3 == 0 else None, f"udlaan-{n:03}.csv") for n in range(150)]
    assert fetch(home, "select count(*), count(distinct id) from raw.udlaan") == [(300, 300)]
    for number in range(3):
        put(drop, f"udlaan-9{number}.csv", "id;titel;beløb", f"9{number};Ny;1,00")
        load = land_system(library, home).tables["udlaan"]
        assert (load.status, load.rows) == ("loaded", 1)
    assert fetch(home, "select count(*) from raw._dlt_pipeline_state") == [(1,)]


def test_a_corrected_file_replaces_its_own_rows_only(library: System, drop: Path, home: Home) -> None:
    good_files(drop)
    put(drop, "udlaan-2.csv", "id;titel;beløb", "3;C;3,00")
    land_system(library, home)
    put(drop, "udlaan-1.csv", "id;titel;beløb", "1;Øen;9,50")
    assert land_system(library, home).failed == []
    assert fetch(home, "select id, beloeb from raw.udlaan order by id") == [("1", "9,50"), ("3", "3,00")]
    put(drop, "udlaan-1.csv", "id;titel;beløb")
    assert land_system(library, home).failed == []
    assert fetch(home, "select id from raw.udlaan order by id") == [("3",)]


def test_a_snapshot_of_other_files_is_read_at_once(tmp_path: Path, drop: Path, home: Home) -> None:
    for name in "ab":
        put(drop, f"{name}.csv", "id;navn", f"1;{name}")
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    for glob, rows in (("*.csv", 2), ("a.csv", 1)):
        of = table({"format": "csv", "glob": glob}, {"id": "integer", "navn": "text"}, "replace", ["id"])
        land_system(system_of(tmp_path / "register", "bibliotek", connection, {"filialer": of}), home)
        assert fetch(home, "select count(*) from raw.filialer") == [(rows,)]


@pytest.mark.parametrize("write", ["append", "merge"])
def test_a_corrected_file_takes_no_place_of_what_later_files_say(tmp_path: Path, drop: Path, home: Home, write: str) -> None:
    more: dict[str, Any] = {"cursor": {"column": "dag"}} if write == "merge" else {}
    loans = table({"format": "csv", "glob": "*.csv"}, {"id": "integer", "titel": "text", "dag": "date"}, write, ["id"], **more)
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    system = system_of(tmp_path / "register", "bibliotek", connection, {"udlaan": loans})
    january = (drop, "202601.csv", "id;titel;dag", "1;Øen;2026-01-01", "2;Fur;2026-01-01", "3;Mors;2026-01-01")
    put(*january, encoding="utf-8")
    land_system(system, home)
    put(drop, "202602.csv", "id;titel;dag", "1;Øen, 2. udgave;2026-02-01", encoding="utf-8")
    land_system(system, home)
    (drop / "202602.csv").unlink()
    for title in ("Als", "Als, rettet"):
        put(*january[:4], f"2;{title};2026-01-01", encoding="utf-8")
        assert land_system(system, home).failed == []
        assert latest(home, "udlaan")[:2] == [("1", "Øen, 2. udgave"), ("2", title)]


def test_a_corrected_file_with_the_mark_for_what_is_inside_in_its_name(library: System, drop: Path, home: Home) -> None:
    put(drop, "udlaan#1.csv", "id;titel;beløb", "1;Øen;1,50", "2;Ærø;2,00", "3;for få")
    land_system(library, home)
    put(drop, "udlaan#1.csv", "id;titel;beløb", "1;Øen;9,50")
    land_system(library, home)
    assert fetch(home, "select id, beloeb, _source_ref from raw.udlaan") == [("1", "9,50", "udlaan%231.csv")]
    assert fetch(home, "select count(*) from raw.load_rejects") == [(0,)]


def test_a_full_load_keeps_rows_of_files_that_were_archived_away(library: System, drop: Path, home: Home) -> None:
    good_files(drop)
    land_system(library, home)
    (drop / "udlaan-1.csv").unlink()
    put(drop, "udlaan-2.csv", "id;titel;beløb", "3;C;3,00")
    assert land_system(library, home, full=True).failed == []
    assert fetch(home, "select id from raw.udlaan order by id") == [("1",), ("2",), ("3",)]
    assert land_system(library, home, full=True).failed == []
    assert fetch(home, "select id from raw.udlaan order by id") == [("1",), ("2",), ("3",)]


def test_a_line_with_too_many_fields_is_rejected_and_a_corrected_file_clears_it(library: System, drop: Path, home: Home) -> None:
    put(drop, "udlaan-1.csv", "id;titel;beløb", "1;A;1,00", "2;B;2,00;for meget", "3;C;3,00")
    load = land_system(library, home)
    assert statuses(load)["udlaan"] == "loaded"
    assert (load.tables["udlaan"].rows, load.tables["udlaan"].rejects) == (2, 1)
    said = "bibliotek.udlaan: 1 rows set aside (udlaan-1.csv:3: for mange felter: 4 i stedet for 3)"
    assert load.tables["udlaan"].message.startswith(said)
    (reject,) = fetch(home, "select table_name, source_ref, source_row, raw_text from raw.load_rejects")
    assert reject[:3] == ("udlaan", "udlaan-1.csv", 3)
    assert "for meget" in reject[3]
    assert fetch(home, "select id, _source_row from raw.udlaan order by id") == [("1", 2), ("3", 4)]
    # A night on which nothing new comes takes no reject away.
    land_system(library, home)
    assert fetch(home, "select count(*) from raw.load_rejects") == [(1,)]
    put(drop, "udlaan-1.csv", "id;titel;beløb", "1;A;1,00", "2;B;2,00", "3;C;3,00")
    land_system(library, home)
    assert fetch(home, "select count(*) from raw.load_rejects") == [(0,)]
    assert fetch(home, "select id from raw.udlaan order by id") == [("1",), ("2",), ("3",)]


def test_rejects_of_a_snapshot_stay_until_the_next(library: System, drop: Path, home: Home) -> None:
    put(drop, "filialer.csv", "id;navn", "1;A;x", "2;B")
    for _ in range(2):
        land_system(library, home)
        assert fetch(home, "select count(*) from raw.load_rejects") == [(1,)]
    put(drop, "filialer.csv", "id;navn", "1;A", "2;B")
    land_system(library, home)
    assert fetch(home, "select count(*) from raw.load_rejects") == [(0,)]


def test_a_snapshot_of_which_nothing_can_be_read_takes_nothing_away(library: System, drop: Path, home: Home) -> None:
    put(drop, "filialer.csv", "id;navn", "1;A", "2;B")
    land_system(library, home)
    put(drop, "filialer.csv", "id;navn", "1;A;x", "2;B;x")
    load = land_system(library, home).tables["filialer"]
    assert "not one of 2 rows could be read (filialer.csv:2: for mange felter" in load.message
    assert fetch(home, "select count(*) from raw.filialer") == [(2,)]


def test_a_broken_table_keeps_yesterday_and_the_others_load(library: System, drop: Path, home: Home) -> None:
    good_files(drop)
    land_system(library, home)
    put(drop, "filialer.csv", "id;navn", "1;Nykøbing", encoding="utf-8")
    put(drop, "udlaan-2.csv", "id;titel;beløb", "3;C;3,00")
    load = land_system(library, home)
    assert statuses(load) == {"udlaan": "loaded", "filialer": "failed"}
    assert "bibliotek.filialer" in load.tables["filialer"].message
    assert "filialer.csv" in load.tables["filialer"].message
    assert fetch(home, "select navn from raw.filialer") == [("Nykøbing",)]
    assert fetch(home, "select count(*) from raw.udlaan") == [(3,)]
    last = {entry["table_name"]: entry for entry in read_logs(home, ["bibliotek"])["bibliotek"]}
    assert last["filialer"]["status"] == "failed"
    assert last["filialer"]["table_rows"] == 1
    put(drop, "filialer.csv", "id;navn", "1;Nykøbing", "2;Asnæs")
    assert land_system(library, home).failed == []
    assert fetch(home, "select count(*) from raw.filialer") == [(2,)]


def test_what_nobody_has_thought_of_costs_its_table_alone(
    library: System, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    good_files(drop)
    land_system(library, home)
    put(drop, "udlaan-2.csv", "id;titel;beløb", "3;C;3,00")
    put(drop, "filialer.csv", "id;navn", "1;Asnæs")

    columns, opened = csv._columns, folders._Local.open

    def odd(above: list[str], ref: str, *more: Any) -> list[str]:
        return columns(above, ref, *more) if ref == "filialer.csv" else [str(1 // (len(ref) - len(ref)))]

    monkeypatch.setattr(csv, "_columns", odd)
    load = land_system(library, home)
    assert statuses(load) == {"udlaan": "failed", "filialer": "loaded"}
    assert re.fullmatch(
        r"bibliotek\.udlaan: the data were not understood \(ZeroDivisionError at test_landing\.py:\d+, .*\)\."
        " Report it to the platform's team",
        load.tables["udlaan"].message,
    )
    monkeypatch.undo()

    def gone(self: folders._Local, name: str) -> IO[bytes]:
        if name == "filialer.csv":
            raise OSError(errno.EHOSTDOWN, "Host is down", f"/mnt/{name}")
        return opened(self, name)

    monkeypatch.setattr(folders._Local, "open", gone)
    put(drop, "filialer.csv", "id;navn", "1;Asnæs", "2;Fårevejle")
    load = land_system(library, home)
    assert statuses(load) == {"udlaan": "loaded", "filialer": "failed"}
    assert load.tables["filialer"].message == (
        "bibliotek.filialer: /mnt/filialer.csv cannot be read (Host is down). Check the share, and whether its server is up"
    )


def test_a_missing_column_fails_its_table_and_a_new_one_is_landed_and_told(library: System, drop: Path, home: Home) -> None:
    good_files(drop)
    land_system(library, home)
    put(drop, "filialer.csv", "id;adresse", "1;Algade")
    put(drop, "udlaan-2.csv", "id;titel;beløb;fornyet;010190-1234", "3;C;3,00;x;1")
    load = land_system(library, home)
    assert "'navn'" in load.tables["filialer"].message
    assert load.tables["udlaan"].new_columns == ["_######-####", "fornyet"]
    assert fetch(home, "select id, fornyet from raw.udlaan order by id") == [("1", None), ("2", None), ("3", "x")]
    assert fetch(home, "select navn from raw.filialer") == [("Nykøbing",)]


@pytest.mark.parametrize(
    ("check", "lines"),
    [
        ("row_range", ["id;navn", "1;A", "2;B", "3;C"]),
        ("contract", ["id;navn;ny", "1;A;x"]),
        ("rejects", ["id;navn", "1;A", "2;B;for;mange"]),
    ],
)
def test_a_check_that_blocks_keeps_the_table_as_it_was(
    tmp_path: Path, drop: Path, home: Home, check: str, lines: list[str]
) -> None:
    def branches(blocking: list[str]) -> System:
        source = {"format": "csv", "encoding": "cp1252", "glob": "filialer.csv"}
        columns, limits = {"id": "integer", "navn": "text"}, {"expected_rows": {"min": 1, "max": 2}, "blocking": blocking}
        tables = {"filialer": {**table(source, columns, "replace", ["id"]), **limits}}
        return system_of(
            tmp_path / "register", "bibliotek", {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}, tables
        )

    put(drop, "filialer.csv", "id;navn", "1;Nykøbing")
    land_system(branches([check]), home)
    put(drop, "filialer.csv", *lines)
    blocked = land_system(branches([check]), home).tables["filialer"]
    assert (blocked.status, blocked.blocked_by) == ("failed", check), blocked.message
    assert fetch(home, "select navn from raw.filialer") == [("Nykøbing",)]
    allowed = land_system(branches([]), home).tables["filialer"]
    assert (allowed.status, allowed.blocked_by) == ("loaded", ""), allowed.message


def test_a_system_that_never_answered_still_has_its_tables(library: System, drop: Path, home: Home) -> None:
    drop.rmdir()
    load = land_system(library, home)
    assert set(load.failed) == {"udlaan", "filialer"}
    assert fetch(home, "select id, titel, beloeb, _dlt_load_id, _source_ref, _source_row from raw.udlaan") == []
    drop.mkdir()
    good_files(drop)
    assert land_system(library, home).failed == []
    assert fetch(home, "select count(*) from raw.udlaan") == [(2,)]


def test_a_register_that_grew_gets_its_columns_at_once(library: System, drop: Path, home: Home, tmp_path: Path) -> None:
    good_files(drop)
    land_system(library, home)
    grown = library.model_dump(mode="json", by_alias=True, exclude_none=True)
    grown["tables"]["udlaan"]["columns"]["fornyet"] = column()
    grown["tables"]["nyt"] = grown["tables"]["filialer"]
    path = tmp_path / "grown" / HEAD["department"] / "bibliotek.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(grown, allow_unicode=True))
    system, problems = read_file(path)
    assert system is not None, problems
    ensure_raw_files({system.id: system}, home)
    assert fetch(home, "select fornyet from raw.udlaan") == [(None,), (None,)]
    assert fetch(home, "select count(*) from raw.nyt") == [(0,)]


def test_expected_rows_guard_a_snapshot_against_an_empty_one(tmp_path: Path, drop: Path, home: Home) -> None:
    source = {"format": "csv", "glob": "f.csv"}
    columns = {"id": "integer"}
    system = system_of(
        tmp_path / "register",
        "bibliotek",
        {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}},
        {
            "vagt": table(source, columns, "replace", ["id"], expected_rows={"min": 1}),
            "fri": table(source, columns, "replace", ["id"]),
        },
    )
    put(drop, "f.csv", "id", "1")
    land_system(system, home)
    put(drop, "f.csv", "id")
    load = land_system(system, home)
    assert statuses(load) == {"vagt": "failed", "fri": "loaded"}
    assert fetch(home, "select count(*) from raw.vagt") == [(1,)]
    assert fetch(home, "select count(*) from raw.fri") == [(0,)]


def test_a_work_file_is_let_go_before_it_is_published_however_the_load_went(
    library: System, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is open would be locked for every other process, and to what is written after it the reader would be blind."""
    held: list[list[str]] = []

    def look_and_publish(work: Path, target: Path) -> None:
        links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
        held.append([link for link in links if ".duckdb" in link and link.startswith(str(home.path))])
        publish(work, target)

    monkeypatch.setattr("ingestion.work_file.publish", look_and_publish)
    good_files(drop)
    assert land_system(library, home).failed == []
    put(drop, "udlaan-2.csv", "id;noget andet", "3;C")
    assert land_system(library, home).failed == ["udlaan"]
    put(drop, "filialer.csv", "id;navn", "1;Nykøbing", "2;Højby")

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("ingestion.news._states", full_disk)
        assert set(land_system(library, home).failed) == {"udlaan", "filialer"}
    log = [entry["status"] for entry in read_logs(home, ["bibliotek"])["bibliotek"]]
    assert log[-2:] == ["failed", "failed"], "what became of the load was written to the file that was given up"
    assert land_system(library, home).failed == ["udlaan"]
    assert fetch(home, "select count(*) from raw.filialer") == [(2,)]
    assert held == [[]] * 4


def test_preview_lands_nothing(library: System, drop: Path, home: Home) -> None:
    good_files(drop)
    assert preview(library, "udlaan", 1).num_rows == 1
    assert not home.raw_file("bibliotek").exists()


def test_a_load_that_dlt_cannot_finish_keeps_all_of_yesterday(
    library: System, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    good_files(drop)
    land_system(library, home)
    put(drop, "udlaan-2.csv", "id;titel;beløb", "3;C;3,00")
    from dlt.destinations.job_client_impl import ModelLoadJob

    def fail(self: ModelLoadJob) -> None:
        raise ValueError("disk full")

    monkeypatch.setattr(ModelLoadJob, "run", fail)
    load = land_system(library, home)
    assert set(load.failed) == {"udlaan", "filialer"}
    assert fetch(home, "select count(*) from raw.udlaan") == [(2,)]
    monkeypatch.undo()
    assert land_system(library, home).failed == []
    assert fetch(home, "select count(*) from raw.udlaan") == [(3,)]


def test_what_stands_in_a_live_log_is_neither_lost_nor_published_by_halves(library: System, drop: Path, home: Home) -> None:
    """A DuckDB file copied while its write-ahead log is live lacks what stands in the log, and nothing says so."""
    good_files(drop)
    land_system(library, home)
    raw = home.raw_file("bibliotek")
    # Somebody writes into the raw file by hand and is killed: the log is left beside it.
    write = "import duckdb, os; c = duckdb.connect({!r}); c.execute({!r}); os._exit(9)"
    by_hand = write.format(str(raw), "insert into raw.filialer (id, navn) values ('9', 'I hånden')")
    subprocess.run([sys.executable, "-c", by_hand], check=False)
    assert raw.with_name(f"{raw.name}.wal").exists()
    copied = home.path / "copy.duckdb"
    copied.write_bytes(raw.read_bytes())
    with duckdb.connect(str(copied), read_only=True) as connection:
        assert connection.execute("select count(*) from raw.filialer").fetchall() == [(1,)]  # The trap.
    put(drop, "udlaan-2.csv", "id;titel;beløb", "3;C;3,00")
    assert land_system(library, home, tables=["udlaan"]).failed == []
    assert fetch(home, "select id from raw.filialer order by id") == [("1",), ("9",)]
    assert not raw.with_name(f"{raw.name}.wal").exists()
    # A work file that is still open is not published: what is in its log would stay behind.
    work = home.work / raw.name
    with duckdb.connect(str(work)) as connection:
        connection.execute("create table t as select 1")
        with pytest.raises(RuntimeError, match="was not closed"):
            publish(work, raw)
    assert fetch(home, "select count(*) from raw.udlaan") == [(3,)]


def test_a_mended_rule_reads_the_files_again(tmp_path: Path, drop: Path, home: Home) -> None:
    def branches(label: str = "Navn", **source: Any) -> System:
        csv = {"format": "csv", "encoding": "cp1252", "glob": "*.csv", **source}
        of = table(csv, {"id": "integer", "navn": "text"}, "append", ["id"])
        of["columns"]["navn"]["label"] = label
        connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
        return system_of(tmp_path / "register", "bibliotek", connection, {"filialer": of})

    put(drop, "a.csv", "id;navn", "3;Højby")
    put(drop, "b.csv", "id;navn", "1;Nykøbing", "2;'Asnæs; Fårevejle'")
    load = land_system(branches(), home).tables["filialer"]
    assert (load.rows, load.rejects) == (2, 1)
    put(drop, "c.csv", "id;navn", "1;Nykøbing Sj.")
    land_system(branches(), home)
    assert land_system(branches("Filialens navn"), home).tables["filialer"].status == "unchanged"
    load = land_system(branches(quote="'"), home).tables["filialer"]
    assert (load.status, load.rows, load.rejects) == ("loaded", 4, 0)
    assert "from the beginning" in load.message
    assert latest(home, "filialer") == [("1", "Nykøbing Sj."), ("2", "Asnæs; Fårevejle"), ("3", "Højby")]
    assert fetch(home, "select count(*) from raw.load_rejects") == [(0,)]
    assert land_system(branches(quote="'", glob="?.csv"), home).tables["filialer"].status == "unchanged"
    # No line was set aside, and what came is another thing by the new rule. What lies there no more stays as it was read.
    put(drop, "a.csv", "id;navn", '3;="0012"')
    (drop / "c.csv").unlink()
    for _ in range(2):
        land_system(branches(quote="'"), home)
    load = land_system(branches(quote="'", excel_text=True), home).tables["filialer"]
    assert (load.status, load.rows) == ("loaded", 3)
    assert latest(home, "filialer") == [("1", "Nykøbing Sj."), ("2", "Asnæs; Fårevejle"), ("3", "0012")]
    for path in drop.iterdir():
        path.unlink()
    assert land_system(branches(), home).tables["filialer"].status == "unchanged"
    assert land_system(branches(), home, full=True).tables["filialer"].status == "unchanged"


LAND = """
import sys
from pathlib import Path
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register import read_file
system, _ = read_file(Path(sys.argv[1]))
print("ready", flush=True)
land_system(system, Home(Path(sys.argv[2])))
"""


def landing_process(system_file: Path, home: Home) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LAND, str(system_file), str(home.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_loads_of_one_system_at_once_wait_for_each_other(library: System, drop: Path, home: Home, tmp_path: Path) -> None:
    """Two runs of one dlt pipeline name at once once gave 400,000 rows instead of 100,000."""
    put(drop, "udlaan-1.csv", "id;titel;beløb", *(f"{i};T;{i},00" for i in range(20_000)))
    put(drop, "filialer.csv", "id;navn", "1;A")
    system_file = tmp_path / "register" / HEAD["department"] / "bibliotek.yml"
    processes = [landing_process(system_file, home) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert fetch(home, "select count(*) from raw.udlaan") == [(20_000,)]
    assert fetch(home, "select count(*) from raw.filialer") == [(1,)]


def test_a_reader_is_never_locked_out(library: System, drop: Path, home: Home, tmp_path: Path) -> None:
    good_files(drop)
    land_system(library, home)
    put(drop, "udlaan-2.csv", "id;titel;beløb", *(f"{i};T;{i},00" for i in range(20_000)))
    process = landing_process(tmp_path / "register" / HEAD["department"] / "bibliotek.yml", home)
    seen = set()
    while process.poll() is None:
        seen.add(fetch(home, "select count(*) from raw.udlaan")[0][0])
    assert process.communicate()[1] == ""
    assert seen <= {2, 20_002}
    assert fetch(home, "select count(*) from raw.udlaan") == [(20_002,)]
