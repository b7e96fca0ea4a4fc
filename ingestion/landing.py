"""Land a system: from its connectors through dlt into a private work file, checked there, and published in one step.

A load works on a copy of the system's raw file and replaces the original only when everything has been checked.
So readers never meet a lock or half a load, and a load killed at any point leaves the raw file as it was. Measured against dlt
loading in place: `kill -9` and a resume gave doubled rows there (see docs/decisions/0002-work-file-and-publish.md).

One table's fault leaves that table as it was yesterday and does not touch the others of its system.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ingestion import deletions, file_names, news, raw_file, redelivered, watermark
from ingestion.checks import Check
from ingestion.connectors import duck
from ingestion.connectors.base import SCHEMA, ReadContext, SourceError
from ingestion.extract import Extract, extract
from ingestion.home import Home
from ingestion.messages import one_line
from ingestion.process import collect_seldom
from ingestion.register import System, Table
from ingestion.work_file import work_file

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from dlt.pipeline.exceptions import PipelineStepFailed

_LARGE_ROWS = 200_000
"""From here on, a table that is replaced whole is written straight into the work file."""

Status = Literal["loaded", "unchanged", "failed"]


@dataclass
class TableLoad:
    """What became of one table in one load. Row counts; `seconds` is wall time."""

    status: Status
    load_id: str | None = None
    rows: int = 0
    """Rows read from the source in this load."""
    rejects: int = 0
    source_rows: int | None = None
    """The source's own count, where it gives one."""
    totals: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """By column, the source's own sum and that of the rows read, where the register declares one."""
    table_rows: int = 0
    """Rows in the raw table after the load."""
    deleted_rows: int = 0
    """Rows that this load found gone from the source."""
    changed_rows: int | None = None
    """Rows added, changed or gone; None where it is not known, which counts as news."""
    bytes: int = 0
    """What the table takes up in the raw file after the load."""
    new_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    retyped_columns: list[str] = field(default_factory=list)
    """Columns that came with another type, with both."""
    anew: bool = False
    """Whether an incremental table was read from the beginning, because the register asks otherwise than before."""
    seconds: float = 0.0
    message: str = ""
    blocked_by: str = ""
    """The check that refused the load, where the register lets it (`blocking`)."""
    checks: list[Check] = field(default_factory=list)


@dataclass
class SystemLoad:
    system_id: str
    tables: dict[str, TableLoad] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds spent in copy, extract, normalize, load, publish."""

    @property
    def failed(self) -> list[str]:
        return [name for name, load in self.tables.items() if load.status == "failed"]


def land_system(
    system: System,
    home: Home,
    *,
    tables: Collection[str] | None = None,
    full: bool = False,
    period: str | None = None,
    on_table: Callable[[str, TableLoad], None] | None = None,
) -> SystemLoad:
    """Load the tables of `system` (all, or those named) and publish its raw file.

    `full` reads incremental tables and files from the beginning; `period` reads the files of that period again, of tables that
    declare one, and no others. Faults of the source are in the result, never raised;
    what is raised is a fault of the platform (disk full, a file locked by something else), and then nothing was published.
    """
    collect_seldom()
    names = [name for name in system.tables if tables is None or name in tables]
    result = SystemLoad(system.id)
    with work_file(system.id, home, result.phases) as (work, workdir):
        _configure_dlt(workdir)
        from dlt.pipeline.exceptions import PipelineStepFailed

        load = _Load(system, names, work, workdir, full, home.quota_file(system.id), result, period=period)
        try:
            with _opened(load):
                _run_pipeline(load)
        except PipelineStepFailed as error:
            # dlt could not load what was read. The work file may hold a part of it: begin again from what is published.
            _forget(load, home, error)
            with _opened(load):
                pass
        for name in names:
            if on_table:
                on_table(name, result.tables[name])
    _put_away(load)
    return result


def _put_away(load: _Load) -> None:
    """Archive delivered files, now that their rows are published. What cannot be moved is moved after the next load."""
    from ingestion.connectors.files import put_away
    from ingestion.register.model import FilesSystem

    if isinstance(load.system, FilesSystem):
        try:
            put_away(load.system, load.files, load.failed_files)
        except (SourceError, OSError) as error:
            logging.getLogger(__name__).warning("%s: delivered files were not put away: %s", load.system.id, one_line(error))


@contextmanager
def _opened(load: _Load) -> Iterator[None]:
    """Open the work file. When what is done with it is done without an error, what became of the load is written into it."""
    with duck.opened(load.workdir, load.work) as load.database:
        load.stored = raw_file.prepare(load.database, load.names, load.started)
        yield
        load.result.tables = {name: load.result.tables[name] for name in load.names}
        raw_file.finish(load.database, load.system, load.started, load.result.tables, load.extracts, load.rejects)


def _forget(load: _Load, home: Home, error: PipelineStepFailed) -> None:
    """Go back to the raw file as it is published, and say of each table that it could not be loaded, and why."""
    said = one_line(error.exception)
    reason = duck.TOO_LITTLE if "Out of Memory Error" in said else said[:500]
    load.work.unlink(missing_ok=True)
    published = home.raw_file(load.system.id)
    if published.exists():
        shutil.copyfile(published, load.work)
    load.extracts.clear()
    load.files.clear()
    for name in load.names:
        earlier = load.result.tables.get(name, TableLoad("failed"))
        if earlier.status != "failed":
            earlier = TableLoad("failed", seconds=earlier.seconds)
        earlier.message = (
            earlier.message or f"{load.system.id}.{name}: could not be loaded ({reason}). Nothing of this load was kept"
        )
        load.result.tables[name] = earlier


def ensure_raw_files(systems: Mapping[str, System], home: Home) -> None:
    """Make sure that the raw files exist with every table and column of the register, so that dbt can read them.

    A system that has never been loaded gets empty tables; one whose register file has grown gets the new ones.
    """
    complete = raw_file.complete(systems, home)
    for system_id, system in systems.items():
        if system_id in complete:
            continue
        with _reworked(system, home):
            pass


def hide_persons_files(systems: Mapping[str, System], home: Home) -> list[str]:
    """Take the CPR numbers that the vault knows out of the names of files that rows are said to come from.

    Returns the systems where there were any, and whose tables have news for it.
    """
    from ingestion.vault import known_numbers

    by_files = [system.id for system in systems.values() if system.connection.protocol == "files"]
    names = {system_id: file_names.undecided(connection) for system_id, connection in raw_file.each(home, by_files)}
    known = known_numbers(home, {number for of in names.values() for numbers in of.values() for number in numbers})
    renamed = {
        system_id: [name for name, numbers in of.items() if not known.isdisjoint(numbers)] for system_id, of in names.items()
    }
    found = [system_id for system_id, of in renamed.items() if of]
    for system_id in found:
        with _reworked(systems[system_id], home) as connection:
            raw_file.log_renamed(connection, systems[system_id], file_names.rename(connection, renamed[system_id]))
    return found


@contextmanager
def _reworked(system: System, home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a private copy of the system's raw file, for a change that is no load, and publish it."""
    result = SystemLoad(system.id)
    with work_file(system.id, home, result.phases) as (work, workdir):
        load = _Load(system, [], work, workdir, False, home.quota_file(system.id), result)
        with _opened(load):
            yield load.database


def preview(system: System, table_name: str, limit: int = 10) -> pa.Table:
    """Return the first `limit` rows of a live table as text, landing nothing.

    Raises:
        SourceError: the table cannot be read.
    """
    import tempfile

    import pyarrow as pa

    with tempfile.TemporaryDirectory() as folder:
        context = ReadContext(Path(folder), load_id="preview", limit=limit, quota_file=Home.find().quota_file(system.id))
        found = extract(system, table_name, system.tables[table_name], context, check=False)
        if not found.parts:
            return pa.table({})
        return found.query(f"select * exclude (_dlt_load_id) from (select {found.spelled()} from {found.relation} limit {limit})")


@dataclass
class _Load:
    """A load under way."""

    system: System
    names: list[str]
    work: Path
    workdir: Path
    full: bool
    quota_file: Path
    result: SystemLoad
    started: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    stored: raw_file.Stored = field(init=False)
    database: duckdb.DuckDBPyConnection = field(init=False)
    extracts: dict[str, Extract] = field(default_factory=dict)
    rejects: dict[str, Path] = field(default_factory=dict)
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """By table, fingerprints of the files whose rows are in the work file."""
    failed_files: dict[str, dict[str, str]] = field(default_factory=dict)
    period: str | None = None


def _configure_dlt(workdir: Path) -> None:
    """Make dlt's settings ours alone: no file of the working folder and no stray variable has a say in a load."""
    # dlt looks for these when it is imported; where it has been by then, `_settle_dlt` says the same.
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    os.environ["DLT_DATA_DIR"] = str(workdir.parent)
    _settle_dlt()


@functools.cache
def _settle_dlt() -> None:
    """Do once in a process what dlt would do again and again: a third of a small load."""
    from dlt.common import validation
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.providers import CustomLoaderDocProvider
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
    from typing_extensions import get_type_hints

    settings = {
        "schema": {"naming": "ingestion.dlt_naming"},
        # DuckDB uses all cores for each job; 20 at once, as dlt does by itself, cost only memory.
        "load": {"workers": 2},
        "enable_runtime_trace": False,
        # Telemetry is on by default and does not heed DO_NOT_TRACK. Who terminates a load ends it: dlt would call it a fault.
        "runtime": {"dlthub_telemetry": False, "log_level": "ERROR", "intercept_signals": False},
    }
    # A look into a dict, where dlt went through the environment and three files for each of some hundred settings.
    Container()[PluggableRunContext].providers.providers[:] = [CustomLoaderDocProvider("faellesdata", lambda: settings)]
    type_hints = functools.cache(get_type_hints)  # dlt checks every column of every schema by them.
    validation.get_type_hints = lambda spec, **_: type_hints(spec)  # type: ignore[attr-defined]


def _run_pipeline(load: _Load) -> None:
    import dlt
    from dlt.common.time import increasing_precise_time as load_ids

    # Of the rows with one key that with the highest load id counts: also where the clock has been set back since that was loaded.
    load_ids._last = max(load_ids._last, float(load.stored.newest or 0))
    resources = [_resource(load, name) for name in load.names]
    pipeline = dlt.pipeline(
        load.system.id,
        # Ephemeral: state and schema are restored from the work file. A pending package from a killed run is never resumed.
        pipelines_dir=str(load.workdir / "dlt"),
        destination=_destination(load.database),
        dataset_name=SCHEMA,
    )
    # No loader_file_format: each item says its own (Parquet, or the model of a scan), and there are no others.
    source = dlt.source(lambda: resources, name=load.system.id)()
    # `pipeline.run` in its steps. Where dlt is not told first what the work file holds, every run would double what is there.
    pipeline.sync_destination()
    with _timed(load, "extract"):
        extracted = pipeline.extract(source)
    if not any(job for package in extracted.load_packages for job in package.jobs.values()):
        return  # Nothing new, not even of the state.
    with _timed(load, "normalize"):
        pipeline.normalize()
    with _timed(load, "load"):
        pipeline.load().raise_on_failed_jobs()


@contextmanager
def _timed(load: _Load, phase: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    load.result.phases[phase] = time.perf_counter() - began


def _destination(database: duckdb.DuckDBPyConnection) -> Any:
    """Return DuckDB as dlt knows it, but it finds out once what it can do: asked anew at every step, a third of a small load."""
    import dlt
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    destination = dlt.destinations.duckdb(DuckDbCredentials(database))
    usual, settings = destination.capabilities, destination.configuration(destination.spec(), accept_partial=True)
    # Without settings given it resolves them anew; DuckDB can do the same whatever they are.
    destination.capabilities = lambda config=None, naming=None: usual(config or settings, naming)  # type: ignore[method-assign]
    return destination


def _resource(load: _Load, name: str) -> Any:
    import dlt

    system, table = load.system, load.system.tables[name]

    def rows() -> Iterator[Any]:
        began = time.perf_counter()
        state: dict[str, Any] = dlt.current.resource_state()
        anew = watermark.asked_anew(system, table, state)
        context = _context(load, name, state, anew, str(dlt.current.load_package_state()["load_id"]))
        outcome = load.result.tables[name] = TableLoad("failed", context.load_id, anew=anew)
        try:
            found, disposition = _read(load, name, context, state, anew)
        except SourceError as error:
            outcome.message, outcome.blocked_by = str(error), error.check
            return
        finally:
            context.close()
            outcome.seconds = time.perf_counter() - began
            load.failed_files[name] = context.failed_files
            load.files[name] = dict(state.get("files", {}))
        outcome.rows, outcome.rejects, outcome.source_rows = found.rows, context.rejects, context.source_rows
        outcome.totals = {name: (total, found.sums.get(name, Decimal(0))) for name, total in context.sums.items()}
        outcome.deleted_rows = found.deleted_rows
        outcome.new_columns, outcome.missing_columns = found.new_columns, found.missing_columns
        outcome.retyped_columns = found.retyped_columns
        watermark.advance(system, table, state, found, context, anew=anew)
        load.files[name] = dict(state.get("files", {}))
        if name not in load.stored.columns or disposition["write_disposition"] == "append":
            found.changed_rows = found.rows
        elif not load.full and not found.unchanged and news.keep(table, name, context, found, _is_snapshot(disposition)):
            # What it replaces goes when it is in: `raw_file.finish`.
            disposition = {"write_disposition": "append"}
        found.connection.close()  # What was compared there would take memory from the load.
        if found.unchanged:
            outcome.status = "unchanged"
        else:
            outcome.status, outcome.changed_rows = "loaded", found.changed_rows
            load.extracts[name], load.rejects[name] = found, context.reject_path
            # With rows that stand in the work file already, dlt gets none, and must not empty the table that they will replace.
            yield from found.dlt_items({"write_disposition": "append"} if found.incoming else disposition, context.workdir)

    # The resource is append and says `replace` or `merge` only with its data: a replace resource that yields nothing would
    # empty its table, and a table that could not be read must keep what it has. Of a function, dlt would look for settings.
    return dlt.resource(rows(), name=name, write_disposition="append")


def _context(load: _Load, name: str, state: watermark.State, anew: bool, load_id: str) -> ReadContext:
    """Return what the connector is told: where it may write, and how far the table has been read, unless all is read again."""
    known = {} if load.full or anew else state
    folder = load.workdir / f"extract-{name}"
    folder.mkdir()
    return ReadContext(
        folder,
        load_id=load_id,
        since=watermark.since(load.system.tables[name], known),
        token=known.get("token"),
        period=load.period,
        files_taken=state.get("files", {}) if load.period is not None else {},
        files_seen=_files_seen(load, state, anew),
        quota_file=load.quota_file,
        incoming=_incoming(load, name),
        database=load.database,
        shared=load.workdir / "shared",
    )


def _read(load: _Load, name: str, context: ReadContext, state: watermark.State, anew: bool) -> tuple[Extract, dict[str, Any]]:
    """Extract the table and hold it against what is stored; return it, and what dlt is to do with its rows.

    Raises:
        SourceError: the table cannot be read, or too many rows are gone.
    """
    system, table = load.system, load.system.tables[name]
    found = extract(system, name, table, context, stored=load.stored.columns.get(name))
    disposition = _disposition(system, table, load.full or context.complete or (anew and "token" in state))
    if name in load.stored.columns and not found.unchanged:
        found.again = sorted(context.files_loaded.keys() & state.get("files", {}).keys())
        redelivered.leave_out(table, name, context, found)
        context.flush_deletions()
        try:
            deletions.find(table, name, context, found, _is_snapshot(disposition))
        except SourceError as error:
            raise SourceError(f"{system.id}.{name}: {error}") from None
    return found, disposition


def _is_snapshot(disposition: dict[str, Any]) -> bool:
    return bool(disposition["write_disposition"] == "replace")


def _files_seen(load: _Load, state: watermark.State, anew: bool) -> dict[str, str]:
    """Return the files that earlier loads have taken, with their fingerprints, or without them to have them read again."""
    files: dict[str, str] = {} if load.period is not None else state.get("files", {})
    return dict.fromkeys(files, "") if load.full or anew else files


def _incoming(load: _Load, name: str) -> duck.Incoming | None:
    """Where a snapshot of the table may be written, if the load is to replace all of it (or there is nothing yet)."""
    replaced = _is_snapshot(_disposition(load.system, load.system.tables[name], load.full))
    return duck.Incoming(raw_file.incoming(name), _LARGE_ROWS) if replaced or name not in load.stored.columns else None


def _disposition(system: System, table: Table, full: bool) -> dict[str, Any]:
    """What dlt is to do with the rows. A key names the rows to replace (`merge_key`); as `primary_key` dlt would drop doubles
    within a load without a word. A full load of files merges too: files that were archived away must not take their rows along.
    """
    if table.write == "replace" or (full and system.connection.protocol != "files"):
        return {"write_disposition": "replace"}
    if table.write == "merge":
        return {"write_disposition": "merge", "merge_key": [table.raw_names()[key] for key in table.key]}
    return {"write_disposition": "append"}
