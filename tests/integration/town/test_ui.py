"""`faellesdata ui` as it runs in production: a night through the daemon, a look with a browser, a daemon killed, a missed tick.

One story over the municipality as its nights left it, and one server: the steps run in order.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from browser_support import browser
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from manifest_support import lend_manifest
from town_support import Town

from ingestion.home import Home
from ingestion.register import read_register
from orchestration.instance import end_orphans, open_instance
from orchestration.schedules import BUILD, LOAD, NIGHT_TAG, PUBLISH, RUNS_TAG

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).resolve().parents[3]
SELECTOR = {"repositoryLocationName": "faellesdata", "repositoryName": "__repository__"}
NIGHT = "test-2026-11-23"
HEALTH = "{instance{daemonHealth{allDaemonStatuses{daemonType required healthy lastHeartbeatTime}}}}"
LAUNCH = """mutation($p: ExecutionParams!) {launchRun(executionParams: $p)
  {__typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""


class Ui:
    """A running `faellesdata ui`, and the questions one asks it."""

    def __init__(self, home: Home, log: Path) -> None:
        self.home, self.log = home, log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "cli.main", "ui", "--port", str(self.port), "--home", str(self.home.path)]
        self.started = time.time()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        self.wait(self._alive, 120, "the UI and all daemons")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def wait(self, ready: Any, seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while not ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, f"waited {seconds} s for {what}\n{self.log.read_text()[-4000:]}"
            time.sleep(0.5)

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = json.load(answer)
        assert "errors" not in content, content
        return content["data"]

    def launch(self, job: str, assets: list[list[str]] | None = None, tags: dict[str, str] | None = None) -> str:
        selector = {**SELECTOR, "jobName": job, **({"assetSelection": [{"path": path} for path in assets]} if assets else {})}
        pairs = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        parameters = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": pairs}, "mode": "default"}
        answer = self.ask(LAUNCH, p=parameters)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def finished(self, job: str, tag: str = NIGHT) -> list[dg.DagsterRun]:
        with open_instance(self.home) as instance:
            runs = instance.get_runs(RunsFilter(job_name=job, tags={NIGHT_TAG: tag}))
            return [run for run in runs if run.is_finished]

    def processes(self) -> dict[str, int]:
        """Return the pids of what the supervisor has started, by the module it runs."""
        listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout.splitlines()
        rows = [line.split(None, 2) for line in listed[1:]]
        return {
            args.split("orchestration.attended ")[1].split()[0]: int(pid)
            for pid, parent, args in rows
            if parent == str(self.process.pid) and "orchestration.attended" in args
        }

    def _alive(self) -> bool:
        return self.heard_since(self.started)

    def heard_since(self, moment: float) -> bool:
        try:
            statuses = self.ask(HEALTH)["instance"]["daemonHealth"]["allDaemonStatuses"]
        except OSError:
            return False
        return all((status["lastHeartbeatTime"] or 0) > moment for status in statuses if status["required"])


@contextmanager
def fault(home: Home, system_id: str, content: dict[str, str]) -> Iterator[None]:
    path = home.demo / system_id / "fault.json"
    path.write_text(json.dumps(content))
    yield
    path.unlink()


@pytest.fixture(scope="module")
def ui(town: Town) -> Iterator[Ui]:
    # The register as it is, without the nights' short time-outs.
    lend_manifest(read_register(), town.home, town.shared)
    made = Ui(town.home, town.home.path / "ui.log")
    with town.served():
        made.start()
        yield made
        made.stop()


def test_a_night_goes_through_the_daemon_with_one_system_down(ui: Ui) -> None:
    with fault(ui.home, "nexus", {"mode": "500"}):
        ui.launch(LOAD, tags={NIGHT_TAG: NIGHT, RUNS_TAG: "1"})
        ui.wait(lambda: ui.finished(LOAD), 180, "the loads")
    ui.wait(lambda: ui.finished(PUBLISH), 300, "the publication")
    assert [run.status for run in ui.finished(LOAD)] == [DagsterRunStatus.FAILURE], "nexus is down"
    assert [run.status for run in ui.finished(BUILD)] == [DagsterRunStatus.SUCCESS]
    assert [run.status for run in ui.finished(PUBLISH)] == [DagsterRunStatus.SUCCESS]
    assert (ui.home.published / "bi_netvaerk" / "current").exists()
    ui.wait(lambda: heartbeat(ui)["night"] == NIGHT, 120, "the heartbeat")
    assert "KMD Nexus kunne ikke hentes." in [trouble["what"] for trouble in heartbeat(ui)["troubles"]]


def heartbeat(ui: Ui) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ui.home.heartbeat.read_text(encoding="utf-8"))
    return told


@pytest.mark.browser
def test_the_graph_in_a_browser(ui: Ui, tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        page.open(f"{ui.url}/asset-groups")
        page.wait("boern_familie", "social_arbejdsmarked", "omsorg_sundhed", "platform", "published")
        group = f"{ui.url}/locations/faellesdata/asset-groups/boern_familie"
        page.open(f"{group}/lineage")
        # Dagster draws what is in sight: the middle of the group.
        page.wait("dubu", "mart_barn_forloeb")
        page.open(f"{group}/list")
        page.wait("dubu", "fct_underretning", "mart_barn_forloeb")
        page.open(f"{ui.url}/assets/raw/dubu/sager?view=lineage")
        page.wait("dubu", "sager", "stg_dubu__sager", "person_keys")
        page.open(f"{ui.url}/assets/raw/opus_oekonomi/posteringer")
        page.wait("oekonomi@odsherred.example", "Én linje pr. bilagslinje", "Row count", "daily", "Regnskabsår", "odata", "dlt")


@pytest.mark.browser
def test_a_system_that_is_down_is_red_and_says_why_while_the_rest_is_green(ui: Ui, tmp_path: Path) -> None:
    (run,) = ui.finished(LOAD)
    with browser(tmp_path) as page:
        page.open(f"{ui.url}/assets/raw/nexus/besoeg?view=lineage")
        page.wait("besoeg", "Failed", "stg_nexus__besoeg", "Materialized")
        page.open(f"{ui.url}/assets/raw/vagtplan/vagter?view=lineage")
        assert "Failed" not in page.wait("vagter", "Materialized", "stg_vagtplan__vagter", "Passed")
        page.open(f"{ui.url}/runs/{run.run_id}?selection=load_nexus&logs=step%3Aload_nexus")
        page.wait("Errored (1)", "load_nexus", "answers 500", "tables failed and are as before", "omsorg@odsherred.example")


@pytest.mark.browser
def test_a_materialisation_started_from_the_page_succeeds(ui: Ui, tmp_path: Path) -> None:
    with open_instance(ui.home) as instance:
        before = {run.run_id for run in instance.get_runs()}
        with browser(tmp_path) as page:
            page.open(f"{ui.url}/assets/raw/nexus/besoeg")
            page.wait("Materialize", "Definition")
            page.click("button", "Materialize")

            def done() -> bool:
                runs = [run for run in instance.get_runs() if run.run_id not in before]
                return bool(runs) and all(run.is_finished for run in runs)

            ui.wait(done, 90, "the materialisation")
        (run,) = [run for run in instance.get_runs() if run.run_id not in before]
        assert run.is_success
        assert run.asset_selection == {dg.AssetKey(["raw", "nexus", "besoeg"])}


def test_a_daemon_that_dies_is_started_again_and_no_run_with_it(ui: Ui) -> None:
    run_id = ui.launch(LOAD, [["raw", "nexus", name] for name in ("borgere", "indsatser", "besoeg")])
    killed = time.time()
    old = ui.processes()
    os.kill(old["dagster._daemon"], signal.SIGKILL)
    ui.wait(lambda: ui.heard_since(killed), 120, "a new daemon")
    assert ui.processes()["dagster._daemon"] != old["dagster._daemon"]
    assert "The daemon ended with code -9; it is started again." in ui.log.read_text()
    with open_instance(ui.home) as instance:

        def over() -> bool:
            run = instance.get_run_by_id(run_id)
            return run is not None and run.is_finished

        ui.wait(over, 90, "the run")
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.is_success


def test_a_webserver_that_dies_is_started_again(ui: Ui) -> None:
    old = ui.processes()["dagster_webserver"]
    os.kill(old, signal.SIGKILL)
    ui.wait(lambda: ui.processes().get("dagster_webserver", old) != old and ui.heard_since(ui.started), 120, "a new webserver")
    assert ui.ask("{version}")["version"]


def test_a_run_worker_that_is_killed_holds_nobody_up(ui: Ui) -> None:
    """The worker of a load is killed while its source hangs; a refresh from a terminal meanwhile waits, then does it all."""
    with fault(ui.home, "nexus", {"mode": "hang"}):
        run_id = ui.launch(LOAD, [["raw", "nexus", "besoeg"]])
        ui.wait(lambda: worker_of(ui, run_id) is not None, 60, "the worker")
        terminal = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "refresh", "--system", "nexus", "--home", str(ui.home.path), "--json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            terminal.wait(10)
        worker = worker_of(ui, run_id)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
    out, errors = terminal.communicate(timeout=240)
    assert terminal.returncode == 0, out + errors
    with open_instance(ui.home) as instance:
        end_orphans(instance, ui.home)
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.is_failure


def worker_of(ui: Ui, run_id: str) -> int | None:
    """Return the process that works on the run, once its step has begun."""
    with open_instance(ui.home) as instance:
        if not instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_START).records:
            return None
        events = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT).records
        found = [record.event_log_entry.dagster_event for record in events]
        pids = [
            event.engine_event_data.metadata["pid"].value
            for event in found
            if event and "pid" in event.engine_event_data.metadata
        ]
        return int(str(pids[0]))


def test_a_second_daemon_on_the_same_home_is_refused(ui: Ui) -> None:
    command = [sys.executable, "-m", "cli.main", "ui", "--port", str(ui.port + 1), "--home", str(ui.home.path)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert "another `faellesdata ui` runs" in second.stderr


def test_it_ends_when_asked_and_leaves_nothing_behind(ui: Ui) -> None:
    children = ui.processes()
    assert set(children) == {"dagster", "dagster._daemon", "dagster_webserver"}
    assert ui.stop() == 0
    for pid in children.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_night_missed_while_it_was_down_starts_once_it_is_up(ui: Ui) -> None:
    """The machine was off at 04:00 on three Mondays: in the end one night's loads start, by the schedule's own tick."""
    with open_instance(ui.home) as instance:
        (state,) = [state for state in instance.all_instigator_state() if state.name == "weekly_refresh"]
        then = time.time() - 21 * 86400
        long_ago = state.instigator_data._replace(start_timestamp=then, last_iteration_timestamp=then)  # type: ignore[union-attr]
        instance.update_instigator_state(state.with_data(long_ago))
        ui.start()

        def runs() -> list[dg.DagsterRun]:
            return [run for run in instance.get_runs() if run.tags.get(NIGHT_TAG, "").startswith("weekly-")]

        weekly = sorted({of.department for of in read_register().systems.values() if of.cadence == "weekly"})
        ui.wait(lambda: sum(run.is_finished for run in runs()) >= len(weekly), 200, "the weekly loads")
        # Of three missed nights one, and in it each department once.
        assert sorted(run.tags["department"] for run in runs()) == weekly
        assert all(run.is_success for run in runs())
