"""Runs go through a real queue to a worker, as on several machines: `faellesdata worker` on Redis, by Dagster's own launcher."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import LaunchRunContext
from municipality_support import DEPARTMENTS, Municipality

from ingestion.raw_file import read_logs
from orchestration.instance import open_instance
from orchestration.schedules import LOAD
from orchestration.worker import CELERY

pytestmark = pytest.mark.redis
CODE = """
from pathlib import Path
from ingestion.home import Home
from ingestion.register import read_register
from orchestration.build import build_defs
defs = build_defs(read_register(Path({register!r})), home=Home(Path({home!r})), manifest_path=None)
"""


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path), "--loglevel", "warning"]
    server = subprocess.Popen(["redis-server", *quiet])
    monkeypatch.setenv(CELERY, f"redis://127.0.0.1:{port}/0")
    yield os.environ[CELERY]
    server.terminate()
    server.wait(20)


def test_a_load_is_run_by_a_worker(municipality: Municipality, queue: str, tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text(CODE.format(register=str(municipality.register), home=str(municipality.home.path)))
    municipality.deliver("beta", "helt;andet\n1;2\n")
    command = [sys.executable, "-m", "cli.main", "worker", "--concurrency", "1", "--home", str(municipality.home.path)]
    with open_instance(municipality.home) as instance:
        origin = ReconstructableRepository.for_file(str(code), "defs", str(tmp_path)).get_reconstructable_job(LOAD)
        run = instance.create_run_for_job(origin.get_definition(), job_code_origin=origin.get_python_origin())
        instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
        waiting = instance.get_run_by_id(run.run_id)
        assert waiting is not None
        assert not waiting.is_finished, "nobody has taken it yet"
        worker = subprocess.Popen(command)
        try:
            until = time.monotonic() + 120
            while not (found := instance.get_run_by_id(run.run_id)) or not found.is_finished:
                assert worker.poll() is None
                assert time.monotonic() < until, "the worker does not take it"
                time.sleep(0.5)
        finally:
            worker.terminate()
            worker.wait(60)
        assert found.status == dg.DagsterRunStatus.FAILURE, "beta's delivery is none"
        failed = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
        assert [record.event_log_entry.step_key for record in failed] == ["load_beta"]
    logs = read_logs(municipality.home, DEPARTMENTS)
    assert {system_id: [entry["status"] for entry in log] for system_id, log in logs.items()} == {
        "alfa": ["loaded"],
        "beta": ["failed"],
        "gamma": ["loaded"],
    }
