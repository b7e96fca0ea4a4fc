"""Faults of the machine and of those who tend it: a full disk, two refreshes at once, a check that raises, a missing secret.

Whatever it is, the rest of the night goes on, what was there stays, and the next refresh makes good without doubling anything.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from municipality_support import DEPARTMENTS, MODEL, Municipality

from ingestion import landing, work_file
from ingestion.register import System, read_register
from orchestration.dbt import prepared
from orchestration.instance import open_instance
from orchestration.morning import conclude
from orchestration.schedules import BUILD, LOAD, PUBLISH
from orchestration.states import table_states

MEGABYTE = 2**20
REFRESH = """
import resource, sys
from pathlib import Path
import orchestration.dbt as dbt
from ingestion.home import Home
from orchestration.refresh import refresh
root, largest = Path(sys.argv[1]), int(sys.argv[2])
dbt.PROJECT, dbt.ROOT, dbt.INPUTS = root / "dbt_project", root, (root / "dbt_project",)
if largest:
    # No file may grow beyond this: the write fails as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
result = refresh(Home(root / "home"), folder=root / "systems")
print(*(reason for stage in result.stages for reason in stage.failures.values()), sep="\\n")
"""


def start(root: Path, largest: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", REFRESH, str(root), str(largest)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)


def said(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out.strip()


def deliver_more(municipality: Municipality, system_id: str, text: str = "nr;navn\n3;tre\n4;fire\n5;fem\n") -> None:
    (municipality.sources / system_id / "ting-2.csv").write_text(text, encoding="utf-8")


def states(municipality: Municipality, job: str) -> list[dg.DagsterRunStatus]:
    with open_instance(municipality.home) as instance:
        return [run.status for run in instance.get_runs() if run.job_name == job]


def rows(municipality: Municipality) -> list[int]:
    return [municipality.rows(f"mart_{system_id}") for system_id in DEPARTMENTS]


def troubles(municipality: Municipality) -> list[str]:
    """Return what the last night told."""
    return [trouble["what"] for trouble in json.loads(municipality.home.heartbeat.read_text(encoding="utf-8"))["troubles"]]


def long_file(rows: int) -> str:
    # Digits that no compression makes small.
    return "nr;navn\n" + "".join(f"{row};{hash((row, 'x')):x}{hash((row, 'y')):x}\n" for row in range(rows))


def test_a_disk_that_fills_during_a_load(municipality: Municipality, tmp_path: Path) -> None:
    municipality.refresh()
    deliver_more(municipality, "alfa", long_file(400_000))
    deliver_more(municipality, "beta")
    message = said(start(tmp_path, 8 * MEGABYTE))
    assert "alfa" in message
    assert "beta" not in message
    assert not list(municipality.home.work.rglob("*.duckdb")), "nothing half-done takes up the disk"
    assert rows(municipality) == [2, 5, 2], "what was there stays, the others are loaded"
    text = municipality.register / DEPARTMENTS["alfa"] / "alfa.yml"
    text.write_text(text.read_text(encoding="utf-8").replace("max: 100}", "max: 900000}"), encoding="utf-8")
    assert municipality.refresh().ok
    assert rows(municipality) == [400_002, 5, 2], "once the disk has room, everything is there once"


def test_a_load_that_cannot_be_published_is_told_though_its_log_cannot_tell(
    municipality: Municipality, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = municipality.register / DEPARTMENTS["alfa"] / "alfa.yml"
    path.write_text(f"{path.read_text(encoding='utf-8')}limits: {{retries: 0}}\n", encoding="utf-8")
    publish = work_file.publish

    def refused(work: Path, target: Path) -> None:
        if target.stem == "alfa":
            raise PermissionError(errno.EACCES, "Permission denied", str(target))
        publish(work, target)

    with monkeypatch.context() as patch:
        patch.setattr(work_file, "publish", refused)
        municipality.refresh(systems=["alfa"])
    assert "System alfa kunne ikke hentes. Fejlen er på platformen, ikke i kilden." in troubles(municipality)
    municipality.refresh(systems=["alfa"])
    assert troubles(municipality) == []


def test_a_load_that_is_terminated_ends_and_all_else_with_it_and_what_was_not_done_is_told(
    municipality: Municipality, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def terminated(system: System, *_: object, **__: object) -> None:
        begun.append(system.id)
        raise DagsterExecutionInterruptedError

    municipality.model("gamma", "select no_such_column from (select 1 as nr)")
    municipality.refresh()
    with monkeypatch.context() as patch:
        patch.setattr(landing, "land_system", terminated)
        with pytest.raises(KeyboardInterrupt):
            municipality.refresh(systems=["alfa", "beta"])
    assert begun == ["alfa"]
    assert states(municipality, BUILD) == [dg.DagsterRunStatus.FAILURE], "no build follows"
    with open_instance(municipality.home) as instance:
        instance.add_run(dg.DagsterRun(job_name=BUILD, status=dg.DagsterRunStatus.CANCELED))
        conclude(municipality.home, read_register(municipality.register), instance, "night")
    assert troubles(municipality) == [
        "System alfa blev ikke hentet: kørslen blev afbrudt, før den var færdig.",
        "System beta blev ikke hentet: kørslen blev afbrudt, før den var færdig.",
        "Opbygningen af warehouset blev afbrudt. Det, der ikke nåede at blive bygget, er som før.",
        "Tabellen mart_gamma kunne ikke bygges. Den og det, der bygger på den, er som før.",
        "En kontrol af mart_gamma er ikke bestået: unique_mart_gamma_nr.",
    ], "what was wrong before is not mended by a build that did not come to it"
    with open_instance(municipality.home) as instance:
        later = datetime.now(UTC) + timedelta(days=20)
        conclude(municipality.home, read_register(municipality.register), instance, "night", now=later)
    assert troubles(municipality).count("System beta blev ikke hentet: kørslen blev afbrudt, før den var færdig.") == 1
    municipality.model("gamma", MODEL.format(id="gamma"))
    assert municipality.refresh().ok
    assert troubles(municipality) == []


def test_a_disk_that_fills_while_dbt_builds(municipality: Municipality, tmp_path: Path) -> None:
    municipality.refresh()
    municipality.model("beta", "select md5(range::varchar) as navn, range as nr from range(1500000)")
    deliver_more(municipality, "alfa")
    message = said(start(tmp_path, 8 * MEGABYTE))
    assert "mart_beta" in message or "File too large" in message or "dbt" in message, message
    assert states(municipality, BUILD)[0] == dg.DagsterRunStatus.FAILURE
    municipality.model("beta", MODEL.format(id="beta"))
    assert municipality.refresh().ok
    assert rows(municipality) == [5, 2, 2]


def test_two_refreshes_at_once_wait_for_each_other(municipality: Municipality, tmp_path: Path) -> None:
    municipality.refresh()
    for system_id in DEPARTMENTS:
        deliver_more(municipality, system_id)
    assert [said(process) for process in [start(tmp_path), start(tmp_path)]] == ["", ""]
    assert rows(municipality) == [5, 5, 5]
    for job in (LOAD, BUILD, PUBLISH):
        assert states(municipality, job) == [dg.DagsterRunStatus.SUCCESS] * 3


def test_a_check_that_raises_is_a_failed_check_and_stops_nothing(municipality: Municipality) -> None:
    tests = municipality.project / "tests"
    tests.mkdir()
    (tests / "mart_alfa_raises.sql").write_text("select error('forkert') from {{ ref('mart_alfa') }}")
    result = municipality.refresh()
    assert all(not stage.failures for stage in result.stages)
    assert any("mart_alfa_raises" in check for stage in result.stages for check in stage.failed_checks)
    assert rows(municipality) == [2, 2, 2]


def test_a_secret_that_is_missing_costs_its_own_system(municipality: Municipality) -> None:
    path = municipality.register / DEPARTMENTS["beta"] / "beta.yml"
    folder = municipality.sources / "beta"
    text = path.read_text(encoding="utf-8").replace(f"folder: {folder}", "folder: {env: BETA_MAPPE_ER_IKKE_SAT}")
    path.write_text(text, encoding="utf-8")
    result = municipality.refresh()
    (failure,) = [stage.failures for stage in result.stages if stage.failures]
    assert list(failure) == ["load_beta"]
    assert "BETA_MAPPE_ER_IKKE_SAT" in failure["load_beta"]
    with open_instance(municipality.home) as instance:
        landed = {
            system: instance.get_latest_materialization_event(dg.AssetKey(["raw", system, "ting"])) for system in DEPARTMENTS
        }
    assert [system for system, event in landed.items() if event] == ["alfa", "gamma"]


def test_a_raw_file_that_cannot_be_read_costs_its_own_system(municipality: Municipality) -> None:
    municipality.refresh()
    file = municipality.home.raw_file("alfa")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    for system_id in DEPARTMENTS:
        deliver_more(municipality, system_id)
    result = municipality.refresh()
    (failures,) = (stage.failures for stage in result.stages if stage.failures)
    assert list(failures) == ["load_alfa"]
    assert f"{file} cannot be read" in failures["load_alfa"]
    assert rows(municipality) == [2, 5, 5]
    assert troubles(municipality) == ["Råfilen for System alfa kan ikke læses. Det, der bygger på den, er som før."]
    states = table_states(read_register(municipality.register), municipality.home, datetime.now(UTC))
    assert {row["system"]: row["state"] for row in states} == {"alfa": "failed", "beta": "fresh", "gamma": "fresh"}
    file.write_bytes(whole)
    assert municipality.refresh().ok
    assert rows(municipality) == [5, 5, 5]


def test_a_prepared_manifest_that_is_cut_short_is_made_anew(municipality: Municipality) -> None:
    register = read_register(municipality.register)
    for name in ("manifest.json", "manifest.msgpack"):
        prepared(register, municipality.home)
        path = municipality.home.dbt / name
        path.write_bytes(path.read_bytes()[:5000])
        _, written = prepared(register, municipality.home)
        assert "model.faellesdata.mart_alfa" in written["nodes"]


def test_what_only_register_or_dbt_project_knows_is_told(municipality: Municipality) -> None:
    (municipality.register / DEPARTMENTS["alfa"] / "alfa.yml").unlink()
    path = municipality.register / DEPARTMENTS["beta"] / "beta.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("  ting:\n", "  sager:\n"), encoding="utf-8")
    municipality.refresh()
    (told,) = (trouble for trouble in troubles(municipality) if trouble.startswith("Registeret"))
    assert "alfa.ting, beta.ting hentes ikke mere" in told
    assert "beta.sager hentes, men bruges ikke" in told


def test_register_files_with_errors_are_named_and_the_rest_goes_on(municipality: Municipality) -> None:
    wrong = {
        "alfa": ("department: oekonomi_indkoeb", "department: findes_ikke"),
        "beta": ("cadence: daily", "cadence: '0 25 * * *'"),
    }
    expected = []
    for system_id, (old, new) in wrong.items():
        path = municipality.register / DEPARTMENTS[system_id] / f"{system_id}.yml"
        text = path.read_text(encoding="utf-8")
        expected.append((path.name, text[: text.index(old)].count("\n") + 1))
        path.write_text(text.replace(old, new), encoding="utf-8")
    result = municipality.refresh()
    assert sorted((problem.file.name, problem.line) for problem in result.problems) == expected
    assert result.stages[0].materialised == 1, "gamma is loaded"
