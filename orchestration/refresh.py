"""What the nightly schedule does, in this process: the same jobs on the same instance, so that the UI shows these runs too."""

from __future__ import annotations

import gc
import os
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType
from dagster._core.events import RunFailureReason

from ingestion.home import Home
from ingestion.register import SYSTEMS, Problem, Register, System, read_leniently
from orchestration.build import build_defs
from orchestration.dbt import DbtError, prepare_manifest
from orchestration.instance import PROCESS_TAG, end_orphans, limits, open_instance
from orchestration.loading import quickly
from orchestration.locks import living
from orchestration.morning import conclude
from orchestration.purge import delete_old_runs
from orchestration.runs import failure_reason
from orchestration.schedules import BUILD, LOAD, PUBLISH
from orchestration.warehouse import UNCHANGED

STAGES = {LOAD: "Load", BUILD: "Build", PUBLISH: "Publish"}


class UnknownSelectionError(Exception):
    """The department or system asked for is not in the register."""


@dataclass(frozen=True)
class Progress:
    """How far a stage is: assets done of those planned, and what was last done."""

    stage: str
    done: int
    total: int
    text: str


@dataclass
class Stage:
    """One job's run. `seconds` is wall time; `failures` holds step → what happened and what to do."""

    name: str
    run_id: str = ""
    seconds: float = 0.0
    materialised: int = 0
    unchanged: int = 0
    """Models that were left as they are, since nothing they rest on has news."""
    failures: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    failed_checks: list[str] = field(default_factory=list)
    warned_checks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failures and not self.skipped


@dataclass
class Refresh:
    """What became of a refresh. A failed check does not make it fail: the data are there, and their owner is told."""

    stages: list[Stage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    version: str | None = None
    """The version published for the BI network."""

    @property
    def ok(self) -> bool:
        return not self.problems and all(stage.ok for stage in self.stages)


def refresh(
    home: Home,
    *,
    departments: Collection[str] = (),
    systems: Collection[str] = (),
    full: bool = False,
    folder: Path = SYSTEMS,
    progress: Callable[[Progress], None] | None = None,
) -> Refresh:
    """Load all systems (or those of the departments and ids given), then build and publish, whatever a load came to.

    `full` reads incremental tables from the beginning and builds everything. `folder` is the register's.

    Raises:
        UnknownSelectionError: a department or system is not in the register.
    """
    register, problems = read_leniently(folder)
    selected = _select(register, departments, systems)
    instance = open_instance(home)
    result = Refresh(problems=problems)
    process = f"refresh-{os.getpid()}"
    # Held as long as this process lives: by it, whoever comes after a kill knows that our runs are dead.
    with living(home, process):
        end_orphans(instance, home)
        delete_old_runs(instance, datetime.now(UTC) - timedelta(days=limits().keep_runs_days))
        manifest_path: Path | None = None
        prepared = time.perf_counter()
        try:
            manifest_path = prepare_manifest(register, home)
        except DbtError as error:
            result.stages.append(Stage("Prepare dbt", seconds=time.perf_counter() - prepared, failures={"dbt parse": str(error)}))
        names = list(STAGES) if manifest_path else [LOAD, BUILD]
        # What nobody holds any more goes first: what is there when `quickly` ends is kept as long as this process lives.
        gc.collect()
        with quickly():
            definitions = build_defs(
                register,
                home=home,
                manifest_path=manifest_path,
                systems=folder,
                loaded=[system.id for system in selected],
                schedules=False,
            )
            jobs = {name: definitions.resolve_job_def(name) for name in names}
        for job_name, job in jobs.items():
            run = _Run(job, instance, {PROCESS_TAG: process}, progress)
            wholly = {LOAD: [f"load_{system.id}" for system in selected], BUILD: ["dbt_build"] if manifest_path else []}
            result.stages.append(run.execute(STAGES[job_name], wholly.get(job_name, []) if full else []))
            result.version = run.version or result.version
        conclude(home, register, instance, process, whole=not (departments or systems))
    return result


def _select(register: Register, departments: Collection[str], systems: Collection[str]) -> list[System]:
    known = {system.department for system in register.systems.values()}
    unknown = [f"department '{name}'" for name in departments if name not in known]
    unknown += [f"system '{name}'" for name in systems if name not in register.systems]
    if unknown:
        raise UnknownSelectionError(f"{', '.join(unknown)} not in the register. `faellesdata systems list` shows what is")
    return [
        system
        for system in register.systems.values()
        if (not departments and not systems) or system.department in departments or system.id in systems
    ]


class _Run:
    """One job's execution, listened to."""

    def __init__(
        self,
        job: dg.JobDefinition,
        instance: dg.DagsterInstance,
        tags: dict[str, str],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._job, self._instance, self._tags, self._progress = job, instance, tags, progress
        self.version: str | None = None
        self._interrupted = False

    def execute(self, title: str, full: Sequence[str] = ()) -> Stage:
        """Run the job; the ops named in `full` do all anew."""
        stage, total = Stage(title, run_id=str(uuid.uuid4())), len(self._job.asset_layer.selected_asset_keys)
        self._instance.add_event_listener(stage.run_id, lambda entry: self._note(entry, stage, total))
        # What goes wrong is in the events; Dagster's own log on a terminal would drown it.
        config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        if full:
            config["ops"] = {name: {"config": {"full": True}} for name in full}
        started = time.perf_counter()
        self._job.execute_in_process(
            run_config=config,
            instance=self._instance,
            run_id=stage.run_id,
            tags=self._tags,
            raise_on_error=False,
        )
        stage.seconds = time.perf_counter() - started
        if self._interrupted:
            raise KeyboardInterrupt  # Dagster has taken it for its own, and the next stage would begin.
        return stage

    def _note(self, entry: dg.EventLogEntry, stage: Stage, total: int) -> None:
        event = entry.dagster_event
        if event is None:
            return
        text = ""
        if event.event_type == DagsterEventType.STEP_START:
            text = f"{event.step_key} …"
        elif event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            stage.materialised += 1
            text = event.asset_key.path[-1]
            if event.asset_key.path[0] == "published":
                self.version = str(event.materialization.metadata["version"].value)
        elif event.event_type == DagsterEventType.ASSET_OBSERVATION:
            stage.unchanged += UNCHANGED in event.asset_observation_data.asset_observation.metadata
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            stage.failures[str(event.step_key)] = failure_reason(event)
            text = f"{event.step_key} failed"
        elif event.event_type == DagsterEventType.RUN_FAILURE:
            self._interrupted = event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
        elif event.event_type == DagsterEventType.STEP_SKIPPED:
            stage.skipped.append(str(event.step_key))
        elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                parts = ("/".join(check.asset_key.path), check.check_name, check.description)
                failed = check.severity == dg.AssetCheckSeverity.ERROR
                (stage.failed_checks if failed else stage.warned_checks).append(": ".join(part for part in parts if part))
        if text and self._progress:
            self._progress(Progress(stage.name, stage.materialised, total, text))
