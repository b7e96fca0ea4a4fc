"""When what is run: one schedule per cadence, and a sensor that goes on when a night's loads are over."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRun, RunRecord, RunsFilter
from filelock import Timeout

from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.register import Register, System
from ingestion.register.vocabulary import Term, cron_is_valid, terms
from orchestration.instance import end_orphans
from orchestration.keys import raw_table
from orchestration.locks import lock_file
from orchestration.raw import checks_of
from orchestration.states import last_night

LOAD, BUILD, PUBLISH = "nightly_load", "nightly_build", "nightly_publish"
NIGHT_TAG = "faellesdata/night"
RUNS_TAG = "faellesdata/runs"
"""How many runs a stage of the night has: the next waits for all of them."""
LOOK_BACK = timedelta(days=2)


def schedule_name(cadence: str) -> str:
    return "nightly_refresh" if cadence == "daily" else f"{cadence}_refresh"


def refresh_schedules(register: Register, home: Home) -> list[dg.ScheduleDefinition]:
    """Return a running schedule for each cadence that a system has, and whose `cron` is one: see the register's problems."""
    schedules = []
    for cadence, term in terms("cadences").items():
        systems = [system for system in register.systems.values() if system.cadence == cadence]
        if systems and cron_is_valid(term.extra.get("cron", "")):
            schedules.append(_schedule(cadence, term, systems, home))
    return schedules


def _schedule(cadence: str, term: Term, systems: Sequence[System], home: Home) -> dg.ScheduleDefinition:
    departments: dict[str, list[System]] = defaultdict(list)
    for system in systems:
        departments[system.department].append(system)

    @dg.schedule(
        name=schedule_name(cadence),
        job_name=LOAD,
        cron_schedule=term.extra["cron"],
        execution_timezone=DENMARK.key,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{term.title}: loads its systems, a run per department; building and publishing follow.",
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        end_orphans(context.instance, home)
        # By the hour with its offset, since one hour comes twice in autumn.
        moment = "%Y-%m-%dT%H%z" if cadence == "hourly" else "%Y-%m-%d"
        night = f"{cadence}-{context.scheduled_execution_time:{moment}}"
        for department, members in departments.items():
            yield load_request(f"{night}-{department}", members, night, len(departments))

    return refresh


def load_request(run_key: str, systems: Sequence[System], night: str, runs: int) -> dg.RunRequest:
    """Return one of the `runs` loads of a night, of systems of one department."""
    tables = {raw_table(system.id, name): table for system in systems for name, table in system.tables.items()}
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=list(tables),
        # Named, or Dagster takes all checks of the tables along: their age is judged, and dbt's tests run, with the build.
        asset_check_keys=[dg.AssetCheckKey(key, check) for key, table in tables.items() for check in checks_of(table)],
        tags={NIGHT_TAG: night, RUNS_TAG: str(runs), "department": systems[0].department},
    )


def next_requests(instance: dg.DagsterInstance, now: datetime) -> list[dg.RunRequest]:
    """Return what the nights under way need next: a build where all loads are over, a publication where the build is.

    Over means over, not succeeded: what a failed load or a failed model left as it was is used with its age showing. What is
    executed again in the UI, once it has been followed, is followed again.
    """
    stages = {name: _nights(instance, name, now - LOOK_BACK) for name in (LOAD, BUILD, PUBLISH)}
    requests = []
    for done, follows in ((LOAD, BUILD), (BUILD, PUBLISH)):
        for night, runs in stages[done].items():
            followed, last = stages[follows].get(night, []), _newest(runs)
            # By the order in which they were made: the clock of a database may be another's.
            if _over(runs) and (not followed or _newest(followed).storage_id < last.storage_id):
                key = f"{follows}-{night}-{last.dagster_run.run_id}"
                requests.append(dg.RunRequest(run_key=key, job_name=follows, tags={NIGHT_TAG: night, RUNS_TAG: "1"}))
    return requests


def stage_sensor(jobs: Sequence[dg.UnresolvedAssetJobDefinition], home: Home) -> dg.SensorDefinition:
    """Return the sensor that starts building when loading is over, and publishing when building is.

    In Dagster a failed step keeps what is downstream *in the same run* from running; in a run of its own it goes ahead.
    """

    @dg.sensor(
        name="refresh_stages",
        jobs=list(jobs),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Builds when a night's loads are over, publishes when the build is over, whether they failed or not.",
    )
    def refresh_stages(context: dg.SensorEvaluationContext) -> list[dg.RunRequest]:
        # Of a run that was killed together with the code server nobody else notices that it is over.
        end_orphans(context.instance, home)
        return next_requests(context.instance, datetime.now(UTC))

    return refresh_stages


def morning_sensor(register: Register, home: Home) -> dg.SensorDefinition:
    """Return the sensor that tells the owners, once a night has been published or its publication has failed."""

    @dg.sensor(
        name="morning",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the owners what failed and what is mended, and writes the heartbeat, when a night is over.",
    )
    def morning(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from orchestration.morning import conclude

        nights = _nights(context.instance, PUBLISH, datetime.now(UTC) - LOOK_BACK)
        over = {night: _newest(runs) for night, runs in nights.items() if _over(runs)}
        done = json.loads(context.cursor or "[]")
        news = {night: last for night, last in over.items() if last.dagster_run.run_id not in done}
        if not news:
            return dg.SkipReason("No night has ended since the last time.")
        home.load_settings()
        names = ", ".join(sorted(news))
        # In whole seconds, as the heartbeat tells them.
        published = int(max(last.end_time or last.create_timestamp.timestamp() for last in news.values()))
        try:
            # The daemon gives a tick up after a minute, which goes on all the same: the next ones are not to queue up behind it.
            with lock_file(home, "morning").acquire(timeout=0):
                last = last_night(home, datetime.now(UTC))
                was_told = last and datetime.fromisoformat(last["at"]).timestamp() >= published
                told = None if was_told else conclude(home, register, context.instance, names)
        except Timeout:
            return dg.SkipReason(f"{names} is over. The owners are still being told.")
        context.update_cursor(json.dumps(sorted(last.dagster_run.run_id for last in over.values())))
        said = "The owners had been told." if told is None else f"Told: {', '.join(told.sent) or 'nobody'}."
        return dg.SkipReason(f"{names} is over. {said}")

    return morning


def _nights(instance: dg.DagsterInstance, job_name: str, since: datetime) -> dict[str, list[RunRecord]]:
    nights: dict[str, list[RunRecord]] = defaultdict(list)
    for record in instance.get_run_records(RunsFilter(job_name=job_name, created_after=since)):
        if night := record.dagster_run.tags.get(NIGHT_TAG):
            nights[night].append(record)
    return nights


def _newest(records: Sequence[RunRecord]) -> RunRecord:
    return max(records, key=lambda record: record.storage_id)


def _over(records: Sequence[RunRecord]) -> bool:
    runs = [record.dagster_run for record in records]
    started = [run for run in runs if run.parent_run_id is None]
    expected = max(int(run.tags.get(RUNS_TAG, "1")) for run in runs)
    # None started: they were days ago, and somebody executes one of them again.
    return (not started or len(started) >= expected) and all(run.is_finished and not _comes_again(run) for run in runs)


def _comes_again(run: DagsterRun) -> bool:
    """Whether Dagster is about to start this run again, and has not yet."""
    return run.tags.get("dagster/will_retry") == "true" and "dagster/auto_retry_run_id" not in run.tags
