"""Chosen periods read again: a partitioned job for each table that declares a `period`.

The table itself has no partitions: a night takes whatever has come, of whichever period. A backfill is a run per period,
one after the other by the system's pool, and replaces the rows of that period's files.
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of ops, and wants the classes, not their names.

from collections.abc import Iterator

import dagster as dg

from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.register import Register, System
from ingestion.register.files import FilesTable, Period
from orchestration.keys import raw_table, system_pool
from orchestration.locks import exclusive
from orchestration.raw import fault, table_loaded

_CRON = {"day": "0 0 * * *", "month": "0 0 1 * *", "year": "0 0 1 1 *"}


def backfill_jobs(register: Register, home: Home) -> list[dg.JobDefinition]:
    return [
        _job(system, name, table.source.period, home)
        for system, name, table in register.tables()
        if isinstance(table, FilesTable) and table.source.period is not None
    ]


def job_name(system_id: str, table_name: str) -> str:
    return f"{system_id}__{table_name}_backfill"


def partitions(period: Period) -> dg.TimeWindowPartitionsDefinition:
    """Return the periods from the first to the one under way, named as the files name them."""
    return dg.TimeWindowPartitionsDefinition(
        start=period.first, fmt=period.written, cron_schedule=_CRON[period.every], timezone=DENMARK.key, end_offset=1
    )


def _job(system: System, name: str, period: Period, home: Home) -> dg.JobDefinition:
    key = raw_table(system.id, name)

    @dg.op(name=f"backfill_{system.id}__{name}", pool=system_pool(system.id), out={})
    def backfill(context: dg.OpExecutionContext) -> Iterator[dg.AssetMaterialization]:
        from ingestion.landing import land_system

        home.load_settings()
        with exclusive(home, system_pool(system.id)):
            outcome = land_system(system, home, tables=[name], period=context.partition_key)
        if outcome.failed:
            raise dg.Failure(fault(system, outcome), allow_retries=False)
        result = table_loaded(system, name, outcome.tables[name])
        yield dg.AssetMaterialization(key, partition=context.partition_key, metadata=result.metadata)

    @dg.job(
        name=job_name(system.id, name),
        partitions_def=partitions(period),
        description=f"Læser valgte perioder af {system.title}, {name}, igen. Filernes egne rækker erstattes; andre røres ikke.",
        tags={"system": system.id, "department": system.department},
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        backfill()

    return job
