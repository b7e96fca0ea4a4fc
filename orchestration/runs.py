"""What Dagster's runs say of themselves: how they ended, which of their steps failed, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg
from dagster import DagsterEventType, DagsterRun, RunsFilter
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._core.events import RunFailureReason
from dagster._core.execution.plan.objects import ErrorSource
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from ingestion.messages import one_line
from orchestration.keys import FRESHNESS

INTERRUPTED = "Terminated, or ended with the process that ran it, before it was done"


def ended(instance: dg.DagsterInstance, job_name: str) -> Iterator[DagsterRun]:
    """Yield the job's runs that are over, the newest first; of the last twenty."""
    return (run for run in instance.get_runs(RunsFilter(job_name=job_name), limit=20) if run.is_finished)


def _events(instance: dg.DagsterInstance, run: DagsterRun, kind: DagsterEventType) -> Iterable[dg.DagsterEvent]:
    for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
        if record.event_log_entry.dagster_event:
            yield record.event_log_entry.dagster_event


def failures(instance: dg.DagsterInstance, run: DagsterRun) -> dict[str, str]:
    """Return step → reason. A run that died without a word has the run's own message."""
    found = {str(event.step_key): failure_reason(event) for event in _events(instance, run, DagsterEventType.STEP_FAILURE)}
    if not found and run.is_failure:
        messages = [str(event.message) for event in _events(instance, run, DagsterEventType.RUN_FAILURE)]
        found = {run.job_name: messages[-1]} if messages else {}
    return found


def failure_reason(event: dg.DagsterEvent) -> str:
    """Return what a failed step says for itself; of an unforeseen error its class and first line."""
    failure = event.step_failure_data
    if failure.error_source is ErrorSource.INTERRUPT:
        return INTERRUPTED
    if failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    # Dagster wraps what an op raised; the cause is what was raised.
    error = failure.error.cause or failure.error if failure.error else None
    if error is None:
        return "no reason given"
    # Python begins with the class, by its full name.
    said = re.sub(rf"^[\w.]*\b{error.cls_name}: ", "", error.message.strip().splitlines()[0])
    return one_line(f"{error.cls_name}: {said}")


def listed_failures(instance: dg.DagsterInstance, run: DagsterRun, what: str) -> dict[str, str]:
    """Return what a run's failed steps have listed as `what`: name → message."""
    found: dict[str, str] = {}
    for event in _events(instance, run, DagsterEventType.STEP_FAILURE):
        data = event.step_failure_data.user_failure_data
        listed = data.metadata.get(what) if data else None
        if listed is not None and isinstance(listed.value, dict):
            found |= {str(name): str(message) for name, message in listed.value.items()}
    return found


def failed_checks(instance: dg.DagsterInstance, run: DagsterRun) -> Iterable[tuple[Sequence[str], str, str, bool]]:
    """Yield the asset, the name, what was found and whether it blocks, of each check of a run that failed as an error."""
    for event in _events(instance, run, DagsterEventType.ASSET_CHECK_EVALUATION):
        check = event.asset_check_evaluation_data
        # What is stale has been said from the load logs, with its age and its marts.
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR and check.check_name != FRESHNESS:
            yield check.asset_key.path, check.check_name, check.description or "", bool(check.blocking)


def systems_of(instance: dg.DagsterInstance, run: DagsterRun) -> set[str]:
    """Return the systems whose tables the run was to load."""
    planned = (event.asset_key for event in _events(instance, run, DagsterEventType.ASSET_MATERIALIZATION_PLANNED))
    return {key.path[1] for key in run.asset_selection or planned if key and key.path[0] == "raw"}


def is_cut_short(run: DagsterRun) -> bool:
    """Whether a run that did not succeed was terminated or killed: of what it was to do, some was not even begun."""
    return not run.is_success and run.tags.get(RUN_FAILURE_REASON_TAG) != RunFailureReason.STEP_FAILURE.value


def dbt_ended(instance: dg.DagsterInstance, build: DagsterRun) -> bool:
    """Whether the build came as far as to run models and tests. Where it did not, what failed in an earlier build still fails."""
    # A check that blocks fails the build's step, but only when everything has been run.
    blocked = any(message.startswith(DagsterAssetCheckFailedError.__name__) for message in failures(instance, build).values())
    return build.is_success or blocked or bool(listed_failures(instance, build, "failed_models"))
