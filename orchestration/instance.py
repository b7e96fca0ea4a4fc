"""Dagster's settings for a home, and what keeps its history healthy. Nobody has to know `dagster.yaml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.launcher import DefaultRunLauncher
from pydantic import BaseModel, Field, PositiveInt, ValidationError

from ingestion.home import Home, write_whole
from orchestration.locks import is_dead
from orchestration.worker import launcher

MARK = "# Written by faellesdata on every start. Remove this line to keep settings of your own."
POSTGRES = "FAELLESDATA_DAGSTER_POSTGRES"
PROCESS_TAG = "faellesdata/process"
_CLOCK_SECONDS = 5
"""By how much the machine's start, in whole seconds, and the log's clock may differ."""
UNFINISHED = [
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


class WrongSetting(Exception):
    """A variable of the environment is not what it must be. One line: which, and what it must be."""


class Limits(BaseModel):
    """What an installation may set for itself, each by `FAELLESDATA_` and its name in capitals."""

    concurrent_runs: PositiveInt = Field(default_factory=lambda: max(2, min(8, os.cpu_count() or 2)))
    """Runs at once, over all departments."""
    keep_runs_days: PositiveInt = 90
    """How long Dagster's runs and events are kept."""


def limits() -> Limits:
    """Return the limits that the environment sets.

    Raises:
        WrongSetting: one of them is no whole number above 0.
    """
    names = {name: f"FAELLESDATA_{name.upper()}" for name in Limits.model_fields}
    try:
        return Limits.model_validate({name: os.environ[variable] for name, variable in names.items() if os.environ.get(variable)})
    except ValidationError as error:
        wrong = ", ".join(f"{names[str(fault['loc'][0])]}={fault['input']}" for fault in error.errors())
        raise WrongSetting(
            f"{wrong}: must be a whole number above 0. Change it in connections.env or in the environment"
        ) from None


def settings(home: Home) -> dict[str, Any]:
    """Return the content of `dagster.yaml`."""
    return {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "storage": _storage(home),
        # What the ops have to say stands in the event log. Capturing standard output costs a process per step and, for a refresh
        # from a terminal, takes that terminal away.
        "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
        # On the service's own log; the run's log in the UI has every event whatever stands here.
        "python_logs": {"python_log_level": "WARNING"},
        # Dagster gives a tick up that failed, and the night with it: here it is tried again each minute, for half an hour.
        "scheduler": {
            "module": "dagster._core.scheduler",
            "class": "DagsterDaemonScheduler",
            "config": {"max_tick_retries": 30},
        },
        "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"},
        "concurrency": {
            # Granularity `run`, else two overlapping runs take turns step by step on one file.
            "pools": {"default_limit": 1, "granularity": "run"},
            "runs": {"max_concurrent_runs": limits().concurrent_runs},
        },
        # A worker that dies is started again once; a table that fails has had its retries.
        "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
        "run_monitoring": {"enabled": True, "start_timeout_seconds": 300, "max_runtime_seconds": 12 * 3600},
        "freshness": {"enabled": True},
        **launcher(),
        "retention": {
            "schedule": {"purge_after_days": limits().keep_runs_days},
            "sensor": {"purge_after_days": {"skipped": 3, "failure": 30, "success": 30}},
        },
    }


def _storage(home: Home) -> dict[str, Any]:
    """Return where Dagster keeps runs and events: SQLite in the home, or the PostgreSQL database that the environment names."""
    if os.environ.get(POSTGRES):
        # By reference: the address holds a password.
        where: dict[str, Any] = {"postgres_url": {"env": POSTGRES}}
        return {"custom": {"module": "orchestration.postgres_storage", "class": "PostgresStorage", "config": where}}
    where = {"base_dir": str(home.dagster)}
    return {"custom": {"module": "orchestration.event_log", "class": "HomeStorage", "config": where}}


def write_settings(home: Home) -> None:
    """Write `dagster.yaml`, unless somebody has made the file their own, and point this process at it."""
    home.load_settings()
    home.dagster.mkdir(parents=True, exist_ok=True)
    path = home.dagster / "dagster.yaml"
    if not path.exists() or path.read_text(encoding="utf-8").startswith(MARK):
        write_whole(path, f"{MARK}\n{yaml.safe_dump(settings(home), sort_keys=False)}")
    set_environment(home)


def set_environment(home: Home) -> None:
    """Make this process and its children use this home, and send nothing out."""
    os.environ.update(
        FAELLESDATA_HOME=str(home.path),
        DAGSTER_HOME=str(home.dagster),
        DAGSTER_DISABLE_TELEMETRY="1",
        # A run begins by telling of each table and check that it is about to make: not one transaction for each.
        DAGSTER_EVENT_BATCH_SIZE="500",
        DO_NOT_TRACK="1",
        DBT_SEND_ANONYMOUS_USAGE_STATS="false",
        RUNTIME__DLTHUB_TELEMETRY="false",
    )


def open_instance(home: Home) -> dg.DagsterInstance:
    """Return the home's Dagster instance; the UI shows what is run on it."""
    write_settings(home)
    return dg.DagsterInstance.from_config(str(home.dagster))


def end_orphans(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """Mark as failed what a killed `refresh` or `ui` left as running: it would hold its pools, and the queue with them.

    Each refresh holds a lock named in its runs' tags for as long as it lives; of a run that the daemon started, the log tells the
    process. Returns the ids of the runs ended.
    """
    ended = []
    for run in instance.get_runs(RunsFilter(statuses=UNFINISHED)):
        name = run.tags.get(PROCESS_TAG)
        if is_dead(home, name) if name else _worker_is_gone(instance, run):
            instance.report_run_failed(run, "The process that ran this was ended before it was done. Nothing half-done is seen")
            ended.append(run.run_id)
    return ended


def _worker_is_gone(instance: dg.DagsterInstance, run: DagsterRun) -> bool:
    """Whether the process that the daemon had started for `run`, on this machine, is no more. Dagster itself never looks."""
    if not isinstance(instance.run_launcher, DefaultRunLauncher) or os.name != "posix":
        return False
    for record in instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT).records:
        event = record.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return not _lives_on(int(str(pid.value)), record.event_log_entry.timestamp)
    # Not started yet: Dagster gives up on it after `start_timeout_seconds`.
    return False


def _lives_on(pid: int, said: float) -> bool:
    """Whether `pid` is the process that it was when that was said, and no other that has got its number since.

    In a container numbers begin anew with each start: that of a killed load is soon the code server's, which is Python too.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    process = Path(f"/proc/{pid}")
    if not process.exists():
        return True
    booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    # The name of the program, in brackets, may hold blanks; of what follows, the twentieth is when it began.
    ticks = int((process / "stat").read_text().rpartition(")")[2].split()[19])
    began = int(booted.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
    return b"python" in (process / "cmdline").read_bytes() and began < said + _CLOCK_SECONDS
