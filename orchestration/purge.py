"""Dagster's own history, kept as long as it is declared and no longer. What lasts is the load history in the warehouse."""

# No `from __future__ import annotations` here: Dagster reads the annotations of ops, and wants the classes, not their names.

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import RunsFilter
from dagster._core.instance import RUNLESS_RUN_ID

from ingestion.danish_time import DENMARK
from ingestion.home import Home
from orchestration.instance import limits

NAME = "purge_history"
BATCH = 100


def delete_old_runs(instance: dg.DagsterInstance, before: datetime, at_most: int = BATCH) -> int:
    """Delete runs older than `before`: Dagster keeps events for ever, 2.5 MB a run of 100 assets. Returns how many."""
    runs = instance.get_runs(RunsFilter(created_before=before), limit=at_most)
    for run in runs:
        instance.delete_run(run.run_id)
    return len(runs)


def delete_old_events(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete what goes with no run: how fresh tables were, and checks whose run is gone. Returns the events deleted."""
    # Here: loading SQLAlchemy takes as long as building the jobs.
    import sqlalchemy as db
    from dagster._core.storage.event_log import SqlEventLogStorage
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    moment, events, checks = before.astimezone(UTC).replace(tzinfo=None), SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    old = db.delete(SqlEventLogStorageTable).where(events.run_id == RUNLESS_RUN_ID, events.timestamp < moment)
    # SQLite has them twice, in the index and in a file of those without a run; PostgreSQL has one table.
    with storage.run_connection(RUNLESS_RUN_ID) as connection:
        deleted = connection.execute(old).rowcount
    with storage.index_connection() as connection:
        deleted = max(deleted, connection.execute(old).rowcount)
        connection.execute(db.delete(AssetCheckExecutionsTable).where(checks.create_timestamp < moment))
    return deleted


def purge_job(home: Home) -> dg.JobDefinition:
    # Dagster wants an op's name to be another than its job's.
    @dg.op(name="purge")
    def purge(context: dg.OpExecutionContext) -> None:
        home.load_settings()
        before = datetime.now(UTC) - timedelta(days=limits().keep_runs_days)
        runs = 0
        while deleted := delete_old_runs(context.instance, before):
            runs += deleted
        events = delete_old_events(context.instance, before)
        context.log.info(f"{runs} runs and {events} events from before {before:%Y-%m-%d} are deleted")

    @dg.job(
        name=NAME,
        description="Sletter Dagsters egne kørsler og hændelser, når de er ældre end FAELLESDATA_KEEP_RUNS_DAYS (90 dage).",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        purge()

    return job


def purge_schedule() -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{NAME}_daily",
        job_name=NAME,
        cron_schedule="0 7 * * *",
        execution_timezone=DENMARK.key,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Hver dag efter nattens kørsler.",
    )
