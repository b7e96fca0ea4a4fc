"""Dagster's event log in SQLite: a lock is waited for, a deleted run leaves nothing, many writers lose nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as db
from sqlalchemy.engine import Engine

from ingestion.home import Home
from orchestration.event_log import EventLog
from orchestration.instance import open_instance

KEY = dg.AssetKey("ting")


@dg.asset(check_specs=[dg.AssetCheckSpec("sund", asset=KEY)])
def ting() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(passed=True)


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("FAELLESDATA_DAGSTER_POSTGRES", raising=False)
    for name in ("FAELLESDATA_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "kept for the other tests")
    with open_instance(home) as opened:
        yield opened


def history(instance: dg.DagsterInstance) -> Path:
    log = instance.event_log_storage
    assert isinstance(log, EventLog), "dagster.yaml names it"
    return Path(log.path_for_shard("index")).parent


def run(instance: dg.DagsterInstance) -> str:
    return dg.materialize([ting], instance=instance).run_id


def test_a_deleted_run_leaves_no_file_and_no_check(instance: dg.DagsterInstance) -> None:
    old, new = run(instance), run(instance)
    assert (history(instance) / f"{old}.db").exists()
    instance.delete_run(old)
    assert {path.stem for path in history(instance).iterdir()} == {"index", new}
    with sqlite3.connect(history(instance) / "index.db") as index:
        assert index.execute("select distinct run_id from asset_check_executions").fetchall() == [(new,)]
        assert index.execute("select distinct run_id from event_logs").fetchall() == [(new,)]
    assert instance.get_latest_materialization_event(KEY) is not None


def test_what_a_run_is_about_to_make_is_told_in_one_transaction(instance: dg.DagsterInstance) -> None:
    @dg.multi_asset(specs=[dg.AssetSpec(f"tabel_{number}") for number in range(40)])
    def load() -> Iterator[dg.MaterializeResult[None]]:
        for number in range(40):
            yield dg.MaterializeResult(asset_key=f"tabel_{number}")

    commits: list[str] = []
    log = instance.event_log_storage
    assert isinstance(log, EventLog)
    batch = log.store_event_batch

    def counted(events: Sequence[dg.EventLogEntry]) -> None:
        db.event.listen(Engine, "commit", note := lambda connection: commits.append(str(connection.engine.url)))
        batch(events)
        db.event.remove(Engine, "commit", note)

    log.store_event_batch = counted  # type: ignore[method-assign]
    run_id = dg.materialize([load], instance=instance).run_id
    files = [Path(url).stem for url in commits]
    assert files.count("index") == 1
    assert files.count(run_id) <= 3, "its tables are made first"
    planned = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    assert len(planned) == 40
    with sqlite3.connect(history(instance) / "index.db") as index:
        told = (
            "select dagster_event_type, count(distinct asset_key) from event_logs"
            " where dagster_event_type like 'ASSET_MAT%' group by 1"
        )
        assert dict(index.execute(told).fetchall()) == {"ASSET_MATERIALIZATION": 40, "ASSET_MATERIALIZATION_PLANNED": 40}


def test_a_log_that_another_process_has_locked_is_waited_for(instance: dg.DagsterInstance) -> None:
    run(instance)
    lock = sqlite3.connect(history(instance) / "index.db", check_same_thread=False, isolation_level=None)
    lock.execute("begin immediate")
    released: list[float] = []

    def release() -> None:
        released.append(time.monotonic())
        lock.execute("rollback")

    timer = threading.Timer(2, release)
    timer.start()
    run_id = run(instance)
    assert released, "the run was not held up"
    timer.join()
    lock.close()
    record = instance.get_run_by_id(run_id)
    assert record is not None
    assert record.is_success


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_event_log import run
from ingestion.home import Home
from orchestration.instance import open_instance
with open_instance(Home(Path(sys.argv[1]))) as instance:
    for _ in range(5):
        run(instance)
"""


def test_processes_side_by_side_lose_no_event(instance: dg.DagsterInstance, home: Home) -> None:
    command = [sys.executable, "-c", WRITER, str(home.path), str(Path(__file__).parent)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    runs = instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 10
    materialised = instance.fetch_materializations(KEY, limit=100).records
    assert {record.run_id for record in materialised} == {run.run_id for run in runs}
