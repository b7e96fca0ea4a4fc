"""One broken system among sound ones: its step is red and says why, everything else is loaded and built."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml
from municipality_support import DEPARTMENTS, MODEL, Municipality

import orchestration.dbt
import orchestration.warehouse
from ingestion.danish_time import written
from ingestion.raw_file import read_logs
from orchestration.instance import PROCESS_TAG, end_orphans, open_instance
from orchestration.refresh import UnknownSelectionError
from orchestration.schedules import BUILD, LOAD
from orchestration.states import last_night
from serving.publish import publish


def test_a_sound_night_is_green(municipality: Municipality) -> None:
    result = municipality.refresh()
    assert result.ok, result
    assert [stage.name for stage in result.stages] == ["Load", "Build", "Publish"]
    assert result.version is not None
    assert [municipality.rows(f"mart_{system_id}") for system_id in DEPARTMENTS] == [2, 2, 2]


def test_the_log_beside_the_warehouse_is_for_us_alone(municipality: Municipality, monkeypatch: pytest.MonkeyPatch) -> None:
    """In it stands what is being built, in a home into which others may look."""
    modes, build = set[int](), orchestration.warehouse.build

    def watched(*arguments: Any, **more: Any) -> Iterator[Any]:
        for event in build(*arguments, **more):
            with suppress(FileNotFoundError):
                modes.add(stat.S_IMODE(Path(f"{municipality.home.warehouse}.wal").stat().st_mode))
            yield event

    monkeypatch.setattr(orchestration.warehouse, "build", watched)
    before = os.umask(0o022)
    try:
        municipality.refresh()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert modes == {0o600}
    current = municipality.home.published / "bi_netvaerk" / "current" / "faellesdata.duckdb"
    assert stat.S_IMODE(current.stat().st_mode) == 0o644, "what is published is for others"


def test_what_was_built_is_measured(municipality: Municipality) -> None:
    municipality.refresh()
    with open_instance(municipality.home) as instance:
        mart = instance.get_latest_materialization_event(dg.AssetKey(["marts", "mart_alfa"]))
        raw = instance.get_latest_materialization_event(dg.AssetKey(["raw", "alfa", "ting"]))
    assert mart is not None
    assert mart.asset_materialization is not None
    measured = {name: value.value for name, value in mart.asset_materialization.metadata.items()}
    assert measured["dagster/row_count"] == 2
    assert not {"invocation_id", "unique_id"} & set(measured), "what nobody looks for does not stand first"
    assert 0 <= measured["source_age_hours"] < 1  # type: ignore[operator]
    lineage = measured["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["navn"] == [dg.TableColumnDep(dg.AssetKey(["raw", "alfa", "ting"]), "navn")]
    assert raw is not None
    assert raw.asset_materialization is not None
    with duckdb.connect(str(municipality.home.raw_file("platform")), read_only=True) as connection:
        (entry,) = connection.execute(
            "select rows, rejects, seconds, bytes, checks, load_id from raw.loads where system_id = 'alfa'"
        ).fetchall()
        assert connection.execute("select block_size from pragma_database_size()").fetchone() == (262144,)
    shown = raw.asset_materialization.metadata
    assert entry[:4] == (2, 0, pytest.approx(shown["seconds"].value, abs=0.001), 262144), "a small table takes up one block"
    assert json.loads(entry[4]) == dict.fromkeys(["row_range", "reconciliation", "contract", "rejects"], "passed")
    assert (shown["bytes"].value, shown["load_id"].value) == (entry[3], entry[5])


def test_a_table_whose_check_blocks_is_red_and_as_it_was(municipality: Municipality) -> None:
    path = municipality.register / DEPARTMENTS["beta"] / "beta.yml"
    path.write_text(path.read_text().replace("    write: append\n", "    write: append\n    blocking: [contract]\n"))
    municipality.refresh()
    municipality.deliver("beta", "nr;navn;ny\n1;en;x\n2;to;x\n3;tre;x\n")
    load = municipality.refresh().stages[0]
    assert list(load.failures) == ["load_beta"]
    assert [check for check in load.failed_checks if check.startswith("raw/beta/ting: contract: ")]
    kept = json.loads(read_logs(municipality.home, ["beta"])["beta"][-1]["checks"])
    assert list(kept) == ["contract"]
    assert kept["contract"].startswith("failed: Tabellen blev ikke hentet, og er som før: beta.ting")
    assert municipality.rows("mart_beta") == 2


def test_a_broken_system_keeps_its_data_and_stops_nobody(municipality: Municipality) -> None:
    municipality.refresh()
    municipality.deliver("alfa", "nr;navn\n1;en\n2;to\n3;tre\n")
    municipality.deliver("beta", "helt;andet\n1;2\n")
    result = municipality.refresh()
    load, build, publish = result.stages
    assert not result.ok
    assert list(load.failures) == ["load_beta"]
    fault = load.failures["load_beta"]
    assert "beta.ting" in fault
    assert "beta@odsherred.example" in fault
    assert build.ok
    assert publish.ok
    assert municipality.rows("mart_alfa") == 3, "a sound system's news are built"
    assert municipality.rows("mart_beta") == 2, "a broken system keeps what it had"
    with open_instance(municipality.home) as instance:
        run = instance.get_run_by_id(load.run_id)
        assert run is not None
        assert run.is_failure
        event = instance.get_latest_materialization_event(dg.AssetKey(["raw", "alfa", "ting"]))
        assert event is not None
        assert event.run_id == load.run_id


def test_a_broken_system_recovers_without_doubling(municipality: Municipality) -> None:
    municipality.deliver("beta", "nr;navn\n1;\xe6n\n".encode("latin-1"))
    assert not municipality.refresh().ok
    municipality.deliver("beta", "nr;navn\n1;en\n2;to\n3;tre\n")
    assert municipality.refresh().ok
    assert municipality.rows("mart_beta") == 3


def test_a_failed_test_is_a_failed_check_and_stops_nothing(municipality: Municipality) -> None:
    municipality.deliver("gamma", "nr;navn\n1;en\n1;\n")
    result = municipality.refresh()
    with open_instance(municipality.home) as instance:
        events = instance.get_records_for_run(result.stages[1].run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    checks = [record.event_log_entry.get_dagster_event().asset_check_evaluation_data for record in events]
    (unique,) = [check for check in checks if check.check_name == "unique_mart_gamma_nr"]
    shown = {name: value.value for name, value in unique.metadata.items()}
    assert (shown["status"], shown["dagster_dbt/failed_row_count"]) == ("fail", 1)
    assert "invocation_id" not in shown
    assert result.ok
    failed = result.stages[1].failed_checks
    assert any("marts/mart_gamma" in name for name in failed)
    assert any("raw/gamma/ting" in name for name in failed), "tests of sources are checks too"
    assert municipality.rows("mart_gamma") == 2


@pytest.mark.parametrize("declared", ["by the test", "by the model"])
def test_a_dbt_test_that_blocks_keeps_its_table_from_readers(municipality: Municipality, declared: str) -> None:
    if declared == "by the test":
        name, tests = "gamma_small", municipality.project / "tests"
        tests.mkdir()
        sql = "{{ config(meta={'blocking': true}) }} select nr from {{ ref('mart_gamma') }} where nr = '3'"
        (tests / f"{name}.sql").write_text(sql)
    else:
        name, path = "gamma_values", municipality.project / "models" / "marts" / "schema.yml"
        schema = yaml.safe_load(path.read_text())
        gamma = next(model for model in schema["models"] if model["name"] == "mart_gamma")
        gamma["config"]["meta"]["blocking"] = True
        gamma["columns"][0]["data_tests"].append({"accepted_values": {"name": name, "arguments": {"values": ["1", "2"]}}})
        path.write_text(yaml.safe_dump(schema))
    assert municipality.refresh().ok
    for system_id in ("alfa", "gamma"):
        municipality.deliver(system_id, "nr;navn\n1;en\n2;to\n3;tre\n")
    load, build, publish = municipality.refresh().stages
    assert (load.ok, publish.ok) == (True, True)
    assert build.failures["dbt_build"].startswith("DagsterAssetCheckFailedError")
    assert build.failed_checks == [f"marts/mart_gamma: {name}"]
    assert [municipality.rows(f"mart_{system_id}") for system_id in ("alfa", "gamma")] == [3, 3], "built, to be looked at"
    assert published(municipality) == {"mart_alfa": 3, "mart_beta": 2, "mart_gamma": 2}
    heartbeat = json.loads(municipality.home.heartbeat.read_text(encoding="utf-8"))
    assert [trouble["what"] for trouble in heartbeat["troubles"]] == [f"En kontrol af mart_gamma er ikke bestået: {name}."]
    municipality.deliver("gamma", "nr;navn\n1;en\n2;to\n")
    assert municipality.refresh().ok
    assert published(municipality) == {"mart_alfa": 3, "mart_beta": 2, "mart_gamma": 2}


def test_a_mart_that_the_guard_refuses_keeps_no_other_from_being_published(municipality: Municipality) -> None:
    assert municipality.refresh().ok
    municipality.deliver("alfa", "nr;navn\n1;en\n2;to\n3;tre\n")
    municipality.model("gamma", MODEL.format(id="gamma").replace("navn", "navn, nr as person_id"))
    result = municipality.refresh()
    assert not result.ok
    assert result.version is not None
    assert "mart_gamma.person_id is a person id" in result.stages[2].failures["published__bi_netvaerk"]
    assert published(municipality) == {"mart_alfa": 3, "mart_beta": 2, "mart_gamma": 2}
    night = last_night(municipality.home, datetime.now(UTC))
    assert night is not None
    assert [(trouble["key"], trouble["marts"], trouble["platform"]) for trouble in night["troubles"]] == [
        ("refused:mart_gamma", ["mart_gamma"], True)
    ]
    # Made good for by hand: `status` says so before the next night does.
    with duckdb.connect(str(municipality.home.warehouse)) as warehouse:
        warehouse.execute("alter table main_marts.mart_gamma drop person_id")
    publish(municipality.home, "bi_netvaerk")
    night = last_night(municipality.home, datetime.now(UTC))
    assert night is not None
    assert night["ok"]


def published(municipality: Municipality) -> dict[str, int]:
    manifest = json.loads((municipality.home.published / "bi_netvaerk" / "current" / "manifest.json").read_text(encoding="utf-8"))
    return {name: table["rows"] for name, table in manifest["tables"].items()}


def test_a_failed_model_leaves_the_others(municipality: Municipality) -> None:
    municipality.refresh()
    municipality.deliver("alfa", "nr;navn\n1;en\n2;to\n3;tre\n")
    municipality.model("gamma", "select no_such_column from " + MODEL.format(id="gamma").split(" from ")[1])
    meant = '{{ config(meta={"audience": ["bi_netvaerk"], "purpose": ["statistik"], "classification": "P0"}) }}'
    municipality.model("ny", f"{meant} select nothing as nr")
    result = municipality.refresh()
    assert "mart_gamma" in result.stages[1].failures["dbt_build"]
    assert "no_such_column" in result.stages[1].failures["dbt_build"]
    assert municipality.rows("mart_alfa") == 3
    assert result.stages[2].ok, (
        "what the failed model left as it was is published with the rest, also beside one that was never built"
    )
    assert result.version is not None
    assert published(municipality) == {"mart_alfa": 3, "mart_beta": 2, "mart_gamma": 2}


def test_a_project_that_does_not_parse_still_lets_systems_load(municipality: Municipality) -> None:
    municipality.refresh()
    municipality.model("gamma", "{{ ref('nothing') }}")
    result = municipality.refresh()
    assert "nothing" in result.stages[0].failures["dbt parse"]
    assert result.stages[1].ok
    assert not result.ok


def test_a_broken_register_file_costs_its_own_system(municipality: Municipality) -> None:
    path = municipality.register / "boern_familie" / "delta.yml"
    path.write_text("id: delta\ntitel: Delta\n", encoding="utf-8")
    result = municipality.refresh()
    assert not result.ok
    assert {problem.file for problem in result.problems} == {path}
    assert any("register: valid" in name for name in result.stages[1].failed_checks)
    assert all(stage.ok for stage in result.stages)


def test_too_few_rows_are_a_fault_of_the_load(municipality: Municipality) -> None:
    municipality.deliver("alfa", "nr;navn\n1;en\n")
    result = municipality.refresh(systems=["alfa"])
    assert "alfa.ting" in result.stages[0].failures["load_alfa"]


def test_only_what_was_asked_for_is_loaded(municipality: Municipality) -> None:
    municipality.refresh()
    heartbeat, then = municipality.home.heartbeat, datetime.now(UTC) - timedelta(hours=30)
    night = json.loads(heartbeat.read_text(encoding="utf-8"))
    heartbeat.write_text(json.dumps(night | {"at": then.isoformat(timespec="seconds")}), encoding="utf-8")
    result = municipality.refresh(departments=["oekonomi_indkoeb"], full=True)
    assert result.stages[0].materialised == 1
    told = json.loads(heartbeat.read_text(encoding="utf-8"))
    assert told["noted"] > night["noted"], "what is wrong now"
    assert (told["night"], told["at"]) == (night["night"], then.isoformat(timespec="seconds")), "but it was no night"
    assert heartbeat.stat().st_mtime == int(then.timestamp())
    assert written(then) in municipality.home.morning_page.read_text(encoding="utf-8")
    with pytest.raises(UnknownSelectionError, match="system 'delta'"):
        municipality.refresh(systems=["delta"])


def test_the_manifest_is_prepared_once(municipality: Municipality, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.register import read_register

    register = read_register(municipality.register)
    municipality.model("alfa", MODEL.format(id="alfa") + "\n")  # so that what the fixture lends is no help
    path = orchestration.dbt.prepare_manifest(register, municipality.home)
    assert json.loads(path.read_text())["nodes"]

    def refuse(*_: object) -> None:
        raise AssertionError("parsed again, though nothing had changed")

    monkeypatch.setattr(orchestration.dbt, "parse", refuse)
    assert orchestration.dbt.prepare_manifest(register, municipality.home) == path
    municipality.model("alfa", "select 1 as nr")
    with pytest.raises(AssertionError, match="parsed again"):
        orchestration.dbt.prepare_manifest(register, municipality.home)


def test_a_change_that_is_taken_back_leaves_nothing(municipality: Municipality, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure that cannot be turned into SQL, say: measures and lineage are those of the project before it."""
    from ingestion.register import read_register

    register, home = read_register(municipality.register), municipality.home

    def kept() -> list[object]:
        files = (home.lineage, home.metrics, home.semantic_manifest)
        lineage, metrics, semantics = (json.loads(path.read_text()) for path in files)
        return [lineage["edges"], metrics, semantics]

    municipality.model("alfa", MODEL.format(id="alfa") + "\n")  # so that what the fixture lends is no help
    orchestration.dbt.prepare_manifest(register, home)
    before = kept()
    municipality.model("alfa", MODEL.format(id="alfa").replace("navn", "navn as kaldet"))
    with monkeypatch.context() as patch:
        patch.setattr("serving.metrics.catalogue", lambda *_: 1 / 0)
        with pytest.raises(orchestration.dbt.DbtError, match="cannot be turned into SQL"):
            orchestration.dbt.prepare_manifest(register, home)
    assert kept() == before
    with monkeypatch.context() as patch:
        patch.setattr(orchestration.dbt.shutil, "copyfile", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # killed
            orchestration.dbt.prepare_manifest(register, home)
    municipality.model("alfa", MODEL.format(id="alfa") + "\n")
    orchestration.dbt.prepare_manifest(register, home)
    assert kept() == before


def test_the_run_of_a_killed_refresh_does_not_hold_the_queue(municipality: Municipality) -> None:
    with open_instance(municipality.home) as instance:

        @dg.job(name=LOAD)
        def job() -> None: ...

        run = instance.create_run_for_job(job, tags={PROCESS_TAG: "refresh-999999"}, status=dg.DagsterRunStatus.STARTED)
        assert end_orphans(instance, municipality.home) == [run.run_id]
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.is_failure
        assert end_orphans(instance, municipality.home) == []


CHILD = """
from pathlib import Path
import orchestration.dbt as dbt
from ingestion.home import Home
from orchestration.refresh import refresh
root = Path({root!r})
dbt.PROJECT, dbt.ROOT, dbt.INPUTS = root / "dbt_project", root, (root / "dbt_project",)
refresh(Home(root / "home"), folder=root / "systems")
"""


def test_a_dbt_build_that_is_killed_leaves_nothing_in_the_way(municipality: Municipality, tmp_path: Path) -> None:
    sound = MODEL.format(id="alfa")
    endless = "(select sum(a.range * b.range) from range(100000) a, range(100000) b)"
    municipality.model("alfa", sound.replace("navn", f"navn, {endless} as x"))
    child = subprocess.Popen([sys.executable, "-c", CHILD.format(root=str(tmp_path))])
    until = time.monotonic() + 60
    while not municipality.home.raw_file("platform").exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(4)
    assert child.poll() is None, "it was to be killed while dbt builds"
    child.kill()
    child.wait()
    municipality.model("alfa", sound)
    assert municipality.refresh().ok
    assert municipality.rows("mart_alfa") == 2
    with open_instance(municipality.home) as instance:
        assert [run.job_name for run in instance.get_runs() if run.is_failure] == [BUILD]
        assert all(run.is_finished for run in instance.get_runs())
