"""The commands: help, exit codes, errors in one line, JSON where a script reads it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import pytest
import typer
from dagster._utils.interrupts import capture_interrupts
from typer.testing import CliRunner

import ingestion.raw_file
import ingestion.register.read
import orchestration.refresh
import serving.query
from cli import status
from cli.common import expected
from cli.doctor import damaged, left_behind
from cli.main import app
from cli.skeleton import skeleton
from ingestion.home import Home
from ingestion.register import read_file, read_register
from orchestration import alerts
from orchestration.alerts import Told
from orchestration.morning import write_heartbeat
from orchestration.refresh import Refresh, Stage, UnknownSelectionError
from orchestration.states import PUBLICATION, last_night
from orchestration.troubles import PLATFORM_OWNER, Owner, Trouble

ROOT = Path(__file__).resolve().parents[2]
runner = CliRunner()
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
PROTOCOLS = ["sql", "odata", "rest", "graphql", "soap", "files", "python"]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESDATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")


@pytest.fixture
def register_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A register of one's own, to be broken."""
    folder = tmp_path / "systems"
    shutil.copytree(ingestion.register.SYSTEMS, folder)
    for function in (ingestion.register.read_leniently, ingestion.register.read_register):
        monkeypatch.setattr(function, "__defaults__", (folder,))
    monkeypatch.setattr(ingestion.register, "SYSTEMS", folder)
    return folder


def invoke(*arguments: str, code: int = 0, **more: Any) -> str:
    result = runner.invoke(app, list(arguments), **more)
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result.stdout if "--json" in arguments else result.output  # progress goes to standard error


def test_without_arguments_it_helps() -> None:
    # typer ends with 2 when it helps unasked, as for any wrong use.
    text = runner.invoke(app, []).output
    assert all(command in text for command in COMMANDS)
    assert "Exit codes" in text


@pytest.mark.parametrize(
    "command",
    [[name, inner] if inner else [name] for name, command in COMMANDS.items() for inner in getattr(command, "commands", [""])],
)
def test_every_command_says_what_it_does_and_how_it_ends(command: list[str]) -> None:
    assert "Exit codes" in invoke(*command, "--help")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, cli.main; print([n for n in ('dagster', 'dbt', 'dlt', 'duckdb', 'pyarrow', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_damaged_raw_file_and_a_full_disk_are_a_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    home.raw.mkdir()
    home.raw_file("dubu").write_bytes(b"x" * 20_000)
    told = invoke("systems", "rejects", "dubu", "--home", str(tmp_path), code=1)
    assert told.startswith("faellesdata: IO Error")
    assert told.count("\n") == 1
    home.warehouse.write_bytes(b"x" * 20_000)
    assert invoke("workbooks", "--home", str(tmp_path), code=1).startswith("faellesdata: IO Error")

    def run(*arguments: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("cli.refresh.run", run)
    assert invoke("refresh", "--home", str(tmp_path), code=1) == "", "of another fault the traceback is wanted"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Mock(free=0))
    assert "the disk of" in invoke("refresh", "--home", str(tmp_path), code=1)
    monkeypatch.setattr(status, "table_states", lambda register, home, now: [])
    assert f"the disk of {tmp_path} is full" in invoke("status", "--home", str(tmp_path), code=1).replace("\n", "")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Mock(free=2**30))
    invoke("status", "--home", str(tmp_path))


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_command_ends_when_told_to_where_it_was_started_with_interrupts_ignored(sent: signal.Signals) -> None:
    """As a shell does with what a script leaves in the background; Dagster then ignored SIGTERM too."""

    @expected()
    def command() -> None:
        with capture_interrupts():  # As around each run.
            pass
        signal.raise_signal(sent)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(typer.Exit) as ended:
            command()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.exit_code == 130


def test_list() -> None:
    listed = json.loads(invoke("systems", "list", "--json"))
    assert {entry["id"] for entry in listed} == set(read_register().systems)
    assert {"department", "protocol", "tables", "cadence", "classification", "owner"} <= set(listed[0])
    assert listed[0]["id"] in invoke("systems", "list")


def test_validate_prints_all_errors_with_their_places(register_copy: Path) -> None:
    assert "all sound" in invoke("systems", "validate")
    for path in sorted(register_copy.glob("*/*.yml"))[:2]:
        path.write_text(path.read_text(encoding="utf-8").replace("cadence: ", "cadense: "), encoding="utf-8")
    lines = invoke("systems", "validate", code=1).splitlines()
    assert len([line for line in lines if "cadense" in line]) == 2
    for line in lines:
        file, row, column, message = line.split(":", 3)
        assert Path(file).exists()
        assert row.isdigit()
        assert column.isdigit()
        assert message


def test_a_broken_file_does_not_hide_the_others(register_copy: Path) -> None:
    path = sorted(register_copy.glob("*/*.yml"))[0]
    path.write_text("id: [", encoding="utf-8")
    output = invoke("systems", "list", code=1)
    assert "dubu" in output or "nexus" in output
    assert f"{path}:1:" in output


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_new_writes_a_file_that_is_valid_as_it_stands(register_copy: Path, protocol: str) -> None:
    options = ["--id", "nyt_system", "--title", "Nyt: system", "--department", "boern_familie", "--protocol", protocol]
    invoke("systems", "new", *options)
    path = register_copy / "boern_familie" / "nyt_system.yml"
    system, problems = read_file(path)
    assert not problems
    assert system is not None
    assert system.title == "Nyt: system"
    assert "already" in invoke("systems", "new", *options, code=1)


def test_new_asks_for_what_is_not_given(register_copy: Path) -> None:
    invoke("systems", "new", input="spurgt\nSpurgt\nboern_familie\nrest\n")
    assert (register_copy / "boern_familie" / "spurgt.yml").exists()


@pytest.mark.parametrize(("system_id", "department"), [("Stort", "boern_familie"), ("godt", "ingen")])
def test_new_refuses_what_the_register_would(register_copy: Path, system_id: str, department: str) -> None:
    invoke("systems", "new", "--id", system_id, "--title", "T", "--department", department, "--protocol", "sql", code=2)


def test_skeletons_hold_no_secret() -> None:
    for protocol in PROTOCOLS:
        assert "password: {env:" in skeleton("x1", "X", "boern_familie", protocol) or protocol not in ("sql", "odata")


def test_preview_of_what_is_not_there() -> None:
    assert "no system" in invoke("systems", "preview", "findes_ikke", code=2)
    assert "no table" in invoke("systems", "preview", "dubu", "findes_ikke", code=2)


def test_preview_says_what_is_missing_in_one_line() -> None:
    for name in [name for name in os.environ if name.startswith("DUBU_")]:
        del os.environ[name]
    text = invoke("systems", "preview", "dubu", "sager", code=1)
    assert "DUBU_URL" in text
    assert "Traceback" not in text


def test_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.query, "run_query", lambda home, role, sql: (["navn", "antal"], [("Ær[ø]", 2)]))
    assert json.loads(invoke("query", "select 1", "--format", "json")) == [{"navn": "Ær[ø]", "antal": 2}]
    assert invoke("query", "select 1", "--format", "csv") == "navn;antal\nÆr[ø];2\n"
    assert "Ær[ø]" in invoke("query", "select 1")


def test_data_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.query, "run_query", lambda home, role, sql: (["[bold]"], [("[/x] [red]a",), (None,)]))
    text = invoke("query", "select 1")
    assert "[bold]" in text
    assert "[/x] [red]a" in text


def test_a_row_too_wide_for_a_table_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [f"en_kolonne_{number}" for number in range(20)]
    rows = [tuple(f"{row}.{number}" for number in range(20)) for row in range(2)]
    monkeypatch.setattr(serving.query, "run_query", lambda home, role, sql: (columns, rows))
    lines = [line.split() for line in invoke("query", "select 1").splitlines()]
    assert [line for line in lines if len(line) == 2 and line[0] == "en_kolonne_19"] == [
        ["en_kolonne_19", f"{row}.19"] for row in (0, 1)
    ]
    assert lines[-1] == ["2", "rows"]


def test_query_before_anything_is_published() -> None:
    text = invoke("query", "select 1", code=1)
    assert len(text.strip().splitlines()) == 1
    assert "faellesdata:" in text


def test_refresh_ends_with_1_when_something_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        Refresh(
            [
                Stage("Load", failures={"load_x": "X (x): 1 of 1 tables failed\n- x.t: y.csv:7: broken [/b]"}),
                Stage("Build"),
                Stage("Publish"),
            ]
        ),
        Refresh([Stage("Load", failed_checks=["raw/x/t: row_range"]), Stage("Build"), Stage("Publish")], version="v1"),
    ]
    monkeypatch.setattr(orchestration.refresh, "refresh", lambda home, **_: answers.pop(0))
    text = invoke("refresh", code=1)
    assert "y.csv:7: broken [/b]" in text
    answer = json.loads(invoke("refresh", "--json"))
    assert answer["ok"] is True
    assert answer["version"] == "v1"
    assert answer["stages"][0]["failed_checks"] == ["raw/x/t: row_range"]


def test_refresh_of_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(home: Home, **_: Any) -> Refresh:
        raise UnknownSelectionError("system 'x' not in the register")

    monkeypatch.setattr(orchestration.refresh, "refresh", refuse)
    assert "system 'x'" in invoke("refresh", "--system", "x", code=2)


def test_status_of_an_empty_home() -> None:
    answer = json.loads(invoke("status", "--json", code=1))
    assert {row["state"] for row in answer["tables"]} == {"never"}
    text = invoke("status", code=1)
    assert "never loaded" in text
    assert "No night has ended yet" in text


@pytest.mark.parametrize("odd", ["100%", "Ærø's", "{{d}}", "a#b", "dag=1", "[1]"])
def test_a_home_in_which_nothing_would_load_is_refused(tmp_path: Path, odd: str) -> None:
    said = " ".join(invoke("status", "--home", str(tmp_path / odd), code=2).replace("│", " ").split())
    assert "in its path. Choose another folder as home" in said


def test_status_says_how_the_night_went_and_whether_there_was_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    trouble = {"what": "DUBU kunne ikke hentes.", "owner": "Familieafdelingen", "marts": ["mart_sagsflow"]}
    night = {"at": (now - timedelta(hours=30)).isoformat(), "night": "n", "ok": False, "troubles": [trouble], "told": []}
    (tmp_path / "heartbeat.json").write_text(json.dumps(night))
    monkeypatch.setattr(status, "table_states", lambda register, home, now: [])
    text = invoke("status", "--home", str(tmp_path))
    assert "1 thing is wrong" in text
    assert "DUBU kunne ikke hentes. Familieafdelingen" in text
    assert "mart_sagsflow" in text
    assert "Does `faellesdata ui` run?" in invoke("status", "--home", str(tmp_path), "--night-within", "26", code=1)
    invoke("status", "--home", str(tmp_path), "--night-within", "31")
    unpublished = {"what": "BI-netværkets data blev ikke udgivet.", "owner": "Fællesdata", "marts": [], "platform": True}
    (tmp_path / "heartbeat.json").write_text(json.dumps(night | {"troubles": [trouble, unpublished]}))
    assert "2 things are wrong" in invoke("status", "--home", str(tmp_path), code=1)


def test_status_tells_a_table_that_could_not_be_built_from_one_whose_data_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(status, "table_states", lambda register, home, now: [])
    department = Owner("Familieafdelingen", "familie@odsherred.example", "boern_familie")
    for key, code in (("check:marts/mart_sagsflow:unique", 0), ("model:mart_sagsflow", 1)):
        write_heartbeat(Home(tmp_path), "n", datetime.now(UTC), [Trouble(key, department, "Noget.", "Gør noget.")], Told())
        assert "1 thing is wrong" in invoke("status", "--home", str(tmp_path), code=code)


def test_status_says_so_when_a_night_that_was_not_published_has_been(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, now = Home(tmp_path), datetime.now(UTC)
    monkeypatch.setattr(status, "table_states", lambda register, home, now: [])
    troubles = [Trouble(PUBLICATION, PLATFORM_OWNER, "BI-netværkets data blev ikke udgivet.", "Gør noget.")]
    write_heartbeat(home, "n", now, troubles, Told())
    current = home.published / "bi_netvaerk" / "current"
    current.mkdir(parents=True)
    for minutes, code in ((-60, 1), (1, 0)):
        (current / "manifest.json").write_text(json.dumps({"published_at": (now + timedelta(minutes=minutes)).isoformat()}))
        said = invoke("status", "--home", str(tmp_path), code=code)
        assert ("1 thing is wrong" if code else "The last night went well") in said


def test_a_full_disk_leaves_the_heartbeat_and_nothing_beside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, now = Home(tmp_path), datetime.now(UTC)
    write_heartbeat(home, "n", now, [], Told())

    def full(path: Path, *_: object, **__: object) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_heartbeat(home, "m", now, [], Told())
    with pytest.raises(OSError, match="No space"):
        alerts._draft(home, {})
    assert [path.name for path in tmp_path.iterdir()] == ["heartbeat.json"]


def test_a_heartbeat_that_is_cut_short_is_none(tmp_path: Path) -> None:
    home, now = Home(tmp_path), datetime.now(UTC)
    home.heartbeat.write_text('{"at": "2026-11-27T02', encoding="utf-8")
    assert last_night(home, now) is None
    home.heartbeat.write_text(json.dumps({"at": (now - timedelta(hours=2)).isoformat()}), encoding="utf-8")
    assert last_night(home, now) == {"at": (now - timedelta(hours=2)).isoformat(), "age_hours": 2.0}


def test_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register = read_register()
    system = register.systems["dubu"]
    home, now = Home(tmp_path), datetime(2026, 11, 23, 12, tzinfo=UTC)
    names = list(system.tables)[:3]

    def entry(name: str, result: str, hours: float) -> dict[str, Any]:
        at = (now - timedelta(hours=hours)).replace(tzinfo=None)
        return {
            "system_id": "dubu",
            "table_name": name,
            "status": result,
            "started_at": at,
            "message": "m",
            "rows": 1,
            "rejects": 0,
        }

    hours = system.freshness
    log = [
        entry(names[0], "loaded", 1),
        entry(names[1], "loaded", 2),
        entry(names[1], "failed", 1),
        entry(names[2], "unchanged", hours.error_after_hours + 1),
    ]
    monkeypatch.setattr(ingestion.raw_file, "read_logs", lambda home, systems: dict.fromkeys(systems, log))
    states = {(row["system"], row["table"]): row for row in status.table_states(register, home, now)}
    assert states["dubu", names[0]]["state"] == "fresh"
    assert states["dubu", names[1]]["state"] == "failed"
    assert states["dubu", names[1]]["failing_since"] == "2026-11-23T11:00:00"
    assert states["dubu", names[0]]["failing_since"] is None
    assert states["dubu", names[1]]["age_hours"] == 2, "the age is that of the last good load"
    assert states["dubu", names[2]]["state"] == "stale"
    log[2:] = [entry(names[2], "loaded", hours.warn_after_hours + 0.5)]
    states = {(row["system"], row["table"]): row for row in status.table_states(register, home, now)}
    assert states["dubu", names[2]]["state"] == ("ageing" if hours.warn_after_hours < hours.error_after_hours else "stale")


def test_doctor_names_what_is_missing_and_prints_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    home.connections.write_text("DUBU_URL=http://hemmelig.example\n")
    home.pseudonym_key.touch()
    for path in (home.connections, home.pseudonym_key):
        path.chmod(0o644)
    monkeypatch.delenv("DUBU_URL", raising=False)
    text = invoke("doctor", code=1)
    for path in (home.connections, home.pseudonym_key):
        assert f"chmod 600 {path}" in text
    assert "NEXUS_" in text
    assert "hemmelig" not in text
    findings = json.loads(invoke("doctor", "--json", code=1))
    assert {finding["verdict"] for finding in findings} <= {"ok", "warn", "bad"}
    assert any(finding["subject"] == "versions" for finding in findings)
    monkeypatch.delenv("DUBU_URL", raising=False)


def test_doctor_names_what_a_retired_system_left_behind(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.raw.mkdir(parents=True)
    for name in ("dubu", "platform", "afloest"):
        home.raw_file(name).touch(mode=0o600)
    with duckdb.connect(str(home.raw_file("fbs"))) as raw:
        for name in ("load_log", "load_rejects", "_dlt_loads", "udlaan", "udlaan__deleted", "laanere"):
            raw.execute(f"create schema if not exists raw; create table raw.{name} (a int)")
    register = read_register()
    workbooks = home.path / "workbooks"
    workbooks.mkdir()
    for name in ("oekonomi_indkoeb", "teknik_miljoe"):
        (workbooks / f"{name}.xlsx").touch()
    assert [finding.subject for finding in left_behind(home, register)] == ["afloest", "fbs", "teknik_miljoe"]
    assert [(finding.subject, finding.verdict) for finding in damaged(home, register)] == [("dubu", "bad")]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = invoke("publish", "--home", str(tmp_path / "file" / "home"), code=1)
    assert "Not a directory" in text
    assert "Traceback" not in text
