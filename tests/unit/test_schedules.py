"""When a night starts, and what follows when it is over."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterRun, DagsterRunStatus, EventLogEntry, RunsFilter
from dagster._core.events import EngineEventData
from dagster._core.scheduler import DagsterDaemonScheduler
from dagster._utils.schedules import schedule_execution_time_iterator

import orchestration.morning
from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.register import Register, read_register
from ingestion.register.vocabulary import terms
from orchestration.alerts import Told
from orchestration.build import build_defs
from orchestration.instance import PROCESS_TAG, WrongSetting, end_orphans, open_instance, write_settings
from orchestration.morning import write_heartbeat
from orchestration.purge import NAME, delete_old_events, purge_job, purge_schedule
from orchestration.schedules import (
    BUILD,
    LOAD,
    NIGHT_TAG,
    PUBLISH,
    RUNS_TAG,
    morning_sensor,
    next_requests,
    refresh_schedules,
    stage_sensor,
)


@pytest.fixture(scope="module")
def register() -> Register:
    return read_register()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening an instance sets variables; monkeypatch puts back what was."""
    for name in ("FAELLESDATA_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")


def _run(
    instance: dg.DagsterInstance, job: str, status: DagsterRunStatus, tags: dict[str, str], *, parent: str | None = None
) -> DagsterRun:
    made = DagsterRun(job_name=job, status=status, tags=tags, parent_run_id=parent, root_run_id=parent)
    return instance.add_run(made)


@pytest.mark.parametrize(("year", "month", "day"), [(2026, 3, 29), (2026, 10, 25)])
def test_clock_changes(register: Register, tmp_path: Path, year: int, month: int, day: int) -> None:
    """In spring the hour from 02:00 is missing, in autumn it comes twice: once a night all the same, at its hour."""
    one = next(iter(register.systems.values()))
    each = Register(systems={f"s_{cadence}": one.model_copy(update={"cadence": cadence}) for cadence in terms("cadences")})
    schedules = refresh_schedules(each, Home(tmp_path))
    assert [schedule.name for schedule in schedules] == ["hourly_refresh", "nightly_refresh", "weekly_refresh", "monthly_refresh"]
    for schedule in schedules[1:]:
        start = datetime(year, month, day, tzinfo=DENMARK) - timedelta(days=40)
        ticks: list[datetime] = []
        # What the daemon itself goes by.
        for tick in schedule_execution_time_iterator(start.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone):
            ticks.append(tick.astimezone(DENMARK))
            if tick > datetime(year, month, day, tzinfo=DENMARK) + timedelta(days=3):
                break
        dates = [tick.date() for tick in ticks]
        assert len(dates) == len(set(dates)), "no night twice"
        assert {tick.hour for tick in ticks} == {int(str(schedule.cron_schedule).split()[1])}
        if schedule.name == "nightly_refresh":
            assert len(dates) == (dates[-1] - dates[0]).days + 1, "no night left out"


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25)])
def test_every_hour_of_a_night_that_changes_the_clock_is_a_load_of_its_own(
    register: Register, tmp_path: Path, own_environment: None, month: int, day: int, hours: int
) -> None:
    one = next(iter(register.systems.values())).model_copy(update={"cadence": "hourly"})
    hourly, home = Register(systems={one.id: one}), Home(tmp_path)
    [schedule] = refresh_schedules(hourly, home)
    start = datetime(2026, month, day, tzinfo=DENMARK)
    ticks = schedule_execution_time_iterator(start.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone)
    repository = build_defs(hourly, home=home, manifest_path=None).get_repository_def()
    with open_instance(home) as persisted:
        keys = set()
        for tick in takewhile(lambda tick: tick.astimezone(DENMARK).date() == start.date(), ticks):
            with dg.build_schedule_context(persisted, scheduled_execution_time=tick, repository_def=repository) as context:
                keys |= {request.run_key for request in schedule.evaluate_tick(context).run_requests or []}
    assert len(keys) == hours


def test_no_cadence_falls_into_the_hour_that_comes_twice() -> None:
    hours = {cadence: term.extra["cron"].split()[1] for cadence, term in terms("cadences").items()}
    assert hours.pop("hourly") == "*"
    assert "2" not in hours.values()


def test_every_cadence_in_use_has_a_running_schedule(register: Register, tmp_path: Path) -> None:
    schedules = {schedule.name: schedule for schedule in refresh_schedules(register, Home(tmp_path))}
    assert len(schedules) == len({system.cadence for system in register.systems.values()})
    nightly = schedules["nightly_refresh"]
    assert nightly.cron_schedule == "0 3 * * *"
    assert nightly.execution_timezone == "Europe/Copenhagen"
    assert nightly.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_night_asks_for_a_run_per_department(register: Register, tmp_path: Path, own_environment: None) -> None:
    home = Home(tmp_path)
    definitions = build_defs(register, home=home, manifest_path=None)
    at = datetime(2026, 11, 22, 3, tzinfo=DENMARK)
    schedule = next(schedule for schedule in refresh_schedules(register, home) if schedule.name == "nightly_refresh")
    with open_instance(home) as persisted:
        repository = definitions.get_repository_def()
        with dg.build_schedule_context(persisted, scheduled_execution_time=at, repository_def=repository) as context:
            requests = list(schedule.evaluate_tick(context).run_requests or [])
    daily = [system for system in register.systems.values() if system.cadence == "daily"]
    assert {request.tags["department"] for request in requests} == {system.department for system in daily}
    assert {request.tags[NIGHT_TAG] for request in requests} == {"daily-2026-11-22"}
    assert {request.tags[RUNS_TAG] for request in requests} == {str(len(requests))}
    asked = {key for request in requests for key in request.asset_selection or []}
    assert asked == {dg.AssetKey(["raw", system.id, name]) for system in daily for name in system.tables}


def asked(instance: dg.DagsterInstance) -> list[str | None]:
    return [request.job_name for request in next_requests(instance, datetime.now(UTC))]


def test_building_waits_for_all_loads_of_the_night(instance: dg.DagsterInstance) -> None:
    night = {NIGHT_TAG: "daily-2026-11-22", RUNS_TAG: "3"}
    _run(instance, LOAD, DagsterRunStatus.SUCCESS, night)
    _run(instance, LOAD, DagsterRunStatus.FAILURE, night)
    assert asked(instance) == [], "the third has not been asked for yet"
    last = _run(instance, LOAD, DagsterRunStatus.STARTED, night)
    assert asked(instance) == [], "the third is not over"
    instance.report_run_canceled(last)
    assert asked(instance) == [BUILD], "over is over, whether it failed or not"


def test_a_load_that_comes_again_is_waited_for(instance: dg.DagsterInstance) -> None:
    night = {NIGHT_TAG: "daily-2026-11-22", RUNS_TAG: "1"}
    _run(instance, LOAD, DagsterRunStatus.FAILURE, {**night, "dagster/will_retry": "true"})
    assert asked(instance) == []


def test_publishing_follows_a_build_that_failed_and_nothing_comes_twice(instance: dg.DagsterInstance) -> None:
    night = {NIGHT_TAG: "daily-2026-11-22", RUNS_TAG: "1"}
    _run(instance, LOAD, DagsterRunStatus.SUCCESS, night)
    _run(instance, BUILD, DagsterRunStatus.FAILURE, night)
    assert asked(instance) == [PUBLISH]
    _run(instance, PUBLISH, DagsterRunStatus.SUCCESS, night)
    assert asked(instance) == []


def test_what_is_executed_again_in_the_ui_is_built_and_published_again(instance: dg.DagsterInstance) -> None:
    night = {NIGHT_TAG: "daily-2026-11-22", RUNS_TAG: "2"}
    _run(instance, LOAD, DagsterRunStatus.SUCCESS, night)
    failed = _run(instance, LOAD, DagsterRunStatus.FAILURE, night)
    _run(instance, BUILD, DagsterRunStatus.SUCCESS, night)
    _run(instance, PUBLISH, DagsterRunStatus.SUCCESS, night)
    again = _run(instance, LOAD, DagsterRunStatus.STARTED, night, parent=failed.run_id)
    assert asked(instance) == [], "it is not over"
    instance.report_run_canceled(again)
    keys = [request.run_key for request in next_requests(instance, datetime.now(UTC))]
    assert asked(instance) == [BUILD]
    _run(instance, BUILD, DagsterRunStatus.SUCCESS, night)
    assert asked(instance) == [PUBLISH]
    _run(instance, PUBLISH, DagsterRunStatus.SUCCESS, night)
    assert asked(instance) == []
    _run(instance, LOAD, DagsterRunStatus.SUCCESS, night, parent=failed.run_id)
    assert keys != [request.run_key for request in next_requests(instance, datetime.now(UTC))], "Dagster starts no key twice"


def test_a_load_of_days_ago_that_is_executed_again_is_built(instance: dg.DagsterInstance) -> None:
    night = {NIGHT_TAG: "daily-2026-11-02", RUNS_TAG: "8"}
    _run(instance, LOAD, DagsterRunStatus.SUCCESS, night, parent="00000000-0000-0000-0000-000000000000")
    assert asked(instance) == [BUILD]


def test_what_a_terminal_started_starts_nothing(instance: dg.DagsterInstance) -> None:
    _run(instance, LOAD, DagsterRunStatus.SUCCESS, {})
    assert asked(instance) == []


def test_a_load_whose_process_is_gone_holds_no_night_up(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    night = {NIGHT_TAG: "daily-2026-11-22", RUNS_TAG: "1", PROCESS_TAG: "refresh-999999"}
    _run(instance, LOAD, DagsterRunStatus.STARTED, night)
    with dg.build_sensor_context(instance) as context:
        answer = stage_sensor([dg.define_asset_job(BUILD), dg.define_asset_job(PUBLISH)], Home(tmp_path))(context)
    assert isinstance(answer, list)
    assert [request.job_name for request in answer] == [BUILD]


def test_a_number_that_another_process_has_got_since_is_no_living_worker(tmp_path: Path, own_environment: None) -> None:
    """After a container's restart the killed load's number is the code server's."""
    home = Home(tmp_path)
    with open_instance(home) as persisted:

        def ended(said: float) -> bool:
            run = _run(persisted, LOAD, DagsterRunStatus.STARTED, {})
            data = EngineEventData(metadata={"pid": dg.MetadataValue.text(str(os.getpid()))})
            event = DagsterEvent(DagsterEventType.ENGINE_EVENT.value, LOAD, event_specific_data=data)
            persisted.handle_new_event(EventLogEntry(None, 10, "Started process", run.run_id, said, dagster_event=event))
            return end_orphans(persisted, home) == [run.run_id]

        now = datetime.now(UTC)
        assert [ended(now.timestamp()), ended((now - timedelta(days=400)).timestamp())] == [False, True]


def test_a_morning_that_takes_longer_than_the_daemon_waits_is_told_once(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, concluded = Home(tmp_path), list[str]()
    _run(instance, PUBLISH, DagsterRunStatus.SUCCESS, {NIGHT_TAG: "daily-2026-11-22", RUNS_TAG: "1"})

    def tick() -> str:
        with dg.build_sensor_context(instance) as context:
            answer = morning_sensor(Register(systems={}), home)(context)
        assert isinstance(answer, dg.SkipReason)
        return str(answer.skip_message)

    def conclude(home: Home, register: Register, instance: dg.DagsterInstance, night: str) -> Told:
        concluded.append(night)
        assert "still being told" in tick(), "the next one does not wait"
        write_heartbeat(home, night, datetime.now(UTC), [], Told())
        return Told()

    monkeypatch.setattr(orchestration.morning, "conclude", conclude)
    assert "Told: nobody" in tick()
    assert "had been told" in tick(), "the daemon had given up, and noted nothing"
    assert concluded == ["daily-2026-11-22"]
    write_heartbeat(home, "daily-2026-11-22", datetime.now(UTC) - timedelta(hours=1), [], Told())
    _run(instance, PUBLISH, DagsterRunStatus.SUCCESS, {NIGHT_TAG: "daily-2026-11-22", RUNS_TAG: "1"})
    assert "Told: nobody" in tick(), "published again, since a load was executed again"


def test_settings_are_ours_until_somebody_makes_them_theirs(
    tmp_path: Path, own_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    with open_instance(home) as made:
        assert made.telemetry_enabled is False
        pools = made.get_concurrency_config().pool_config
        assert (pools.default_pool_limit, pools.pool_granularity and pools.pool_granularity.value) == (1, "run")
        assert made.run_retries_enabled
        assert made.run_monitoring_enabled
        assert isinstance(made.scheduler, DagsterDaemonScheduler)
        assert made.scheduler.max_tick_retries >= 10, "a database that is away for some minutes costs no night"
    path = home.dagster / "dagster.yaml"
    home.connections.write_text("FAELLESDATA_CONCURRENT_RUNS=3\n")
    with open_instance(home) as made:
        assert made.get_concurrency_config().run_queue_config is not None
        assert made.get_concurrency_config().run_queue_config.max_concurrent_runs == 3  # type: ignore[union-attr]
    monkeypatch.setenv("FAELLESDATA_CONCURRENT_RUNS", "mange")
    with pytest.raises(WrongSetting, match="FAELLESDATA_CONCURRENT_RUNS=mange: must be a whole number above 0"):
        write_settings(home)
    monkeypatch.delenv("FAELLESDATA_CONCURRENT_RUNS")
    path.write_text("telemetry: {enabled: false}\n")
    write_settings(home)
    assert path.read_text() == "telemetry: {enabled: false}\n"


def test_what_is_older_than_declared_is_purged(tmp_path: Path, own_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    home, now = Home(tmp_path), datetime.now(UTC)
    monkeypatch.setenv("FAELLESDATA_KEEP_RUNS_DAYS", "10")
    assert purge_schedule().job_name == NAME
    assert purge_schedule().default_status is dg.DefaultScheduleStatus.RUNNING
    with open_instance(home) as instance:
        for days in (11, 11, 9):
            run = _run(instance, LOAD, DagsterRunStatus.SUCCESS, {})
            _age(home, run.run_id, now - timedelta(days=days))
        instance.report_runless_asset_event(dg.AssetObservation("raw"))
        assert delete_old_events(instance, now - timedelta(days=1)) == 0
        assert purge_job(home).execute_in_process(instance=instance).success
        assert {run.job_name: len(instance.get_runs(RunsFilter(job_name=run.job_name))) for run in instance.get_runs()} == {
            LOAD: 1,
            NAME: 1,
        }
        assert instance.fetch_observations(dg.AssetKey("raw"), limit=9).records
        assert delete_old_events(instance, datetime.now(UTC) + timedelta(seconds=1)) == 1
        assert not instance.fetch_observations(dg.AssetKey("raw"), limit=9).records


def _age(home: Home, run_id: str, created: datetime) -> None:
    with closing(sqlite3.connect(home.dagster / "history" / "runs.db")) as connection, connection:
        connection.execute(
            "update runs set create_timestamp = ? where run_id = ?", [created.strftime("%Y-%m-%d %H:%M:%S.%f"), run_id]
        )
