"""What stands in a raw file beside the rows: the load log, the rejects, and tables for what has not come yet.

All of it is written to the load's private work file, so it is published with the rows or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion import deletions, file_names, news, redelivered
from ingestion.anomalies import WEEKS, history, usual_rows
from ingestion.checks import judge
from ingestion.connectors import duck
from ingestion.connectors.base import LOAD_ID, SCHEMA, SOURCE_REF, SOURCE_ROW, file_ref
from ingestion.home import Home
from ingestion.messages import one_line
from ingestion.register import System

if TYPE_CHECKING:
    import duckdb

    from ingestion.extract import Extract
    from ingestion.landing import TableLoad

LOAD_COLUMNS = {
    "system_id": "VARCHAR",
    "table_name": "VARCHAR",
    "load_id": "VARCHAR",
    "status": "VARCHAR",
    "started_at": "TIMESTAMP",
    "seconds": "DOUBLE",
    "rows": "BIGINT",
    "rejects": "BIGINT",
    "source_rows": "BIGINT",
    "table_rows": "BIGINT",
    "changed_rows": "BIGINT",
    "bytes": "BIGINT",
    "new_columns": "VARCHAR",
    "checks": "VARCHAR",
    "message": "VARCHAR",
}
REJECT_COLUMNS = {
    "system_id": "VARCHAR",
    "table_name": "VARCHAR",
    "load_id": "VARCHAR",
    "source_ref": "VARCHAR",
    "source_row": "BIGINT",
    "column_name": "VARCHAR",
    "reason": "VARCHAR",
    "raw_text": "VARCHAR",
}
POSITION_COLUMNS = {LOAD_ID: "VARCHAR", SOURCE_REF: "VARCHAR", SOURCE_ROW: "BIGINT"}


def incoming(name: str) -> str:
    """Return, as SQL, the name of the table that a snapshot of `name` is written to before it takes its place."""
    return f'{SCHEMA}."{name}__incoming"'


def create_sql(table: str, columns: Mapping[str, str]) -> str:
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f'create table if not exists {SCHEMA}."{table}" ({listed})'


def _declared(system: System, table_name: str) -> dict[str, str]:
    return dict.fromkeys(system.tables[table_name].raw_names().values(), "VARCHAR") | POSITION_COLUMNS


def complete(systems: Mapping[str, System], home: Home) -> set[str]:
    """Return those of the systems whose raw file has every table and column that the register declares, or cannot be read."""
    unreadable: dict[str, str] = {}
    found = set()
    for system_id, connection in each(home, systems, unreadable):
        system, stored = systems[system_id], stored_types(connection)
        wanted = {"load_log": set(LOAD_COLUMNS), "load_rejects": set(REJECT_COLUMNS)}
        wanted |= {name: set(_declared(system, name)) for name in system.tables}
        if all(columns <= set(stored.get(name, {})) for name, columns in wanted.items()):
            found.add(system_id)
    return found | set(unreadable)


def unreadable(home: Home, system_ids: Iterable[str]) -> dict[str, str]:
    """Return, by system, why its raw file cannot be read, and what to do; nothing of those that can, or have none."""
    found: dict[str, str] = {}
    for _ in each(home, system_ids, found):
        pass
    return found


def left_tables(home: Home, systems: Mapping[str, System]) -> dict[str, list[str]]:
    """Return, by system, the tables in its raw file that have left the register, and what was kept of them."""
    found: dict[str, list[str]] = {}
    for system_id, connection in each(home, systems):
        names = systems[system_id].tables
        known = {*names, *(f"{name}__deleted" for name in names), "load_log", "load_rejects", file_names.TABLE}
        rows = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'source'"
            f" and schema_name = '{SCHEMA}' and not starts_with(table_name, '_dlt')"
        ).fetchall()
        found[system_id] = sorted({name for (name,) in rows} - known)
    return found


def each(
    home: Home, system_ids: Iterable[str], unreadable: dict[str, str] | None = None
) -> Iterator[tuple[str, duckdb.DuckDBPyConnection]]:
    """Yield a connection to one raw file after the other, to read; a system without one is left out.

    So is one whose file cannot be read, which is to stop nobody else's night; `unreadable` is told why.

    They share a DuckDB: to start one costs 13 ms of CPU, to attach a file 2, and a night looks into all of them several times.
    """
    import duckdb

    with duckdb.connect() as connection:
        for system_id in system_ids:
            path = home.raw_file(system_id)
            if not path.exists():
                continue
            try:
                connection.execute(f"attach {duck.literal(str(path))} as source (read_only)")
                connection.execute(f"select max(columns(*)) from source.{SCHEMA}.load_log").fetchall()
            except duckdb.Error as error:
                if unreadable is not None:
                    unreadable[system_id] = (
                        f"{path} cannot be read ({one_line(error)}). Close it where it is open for writing; "
                        "where it is damaged, put it back from the back-up, or move it away: then all is read from the beginning"
                    )
            else:
                connection.execute("use source")
                yield system_id, connection
                connection.execute("use memory")
            connection.execute("detach database if exists source")


def stored_types(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return table → column → DuckDB type for the tables of a raw file."""
    tables: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        f" where database_name = current_database() and schema_name = '{SCHEMA}' and not internal"
    ).fetchall()
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables


@dataclass(frozen=True)
class Stored:
    """What earlier loads have left."""

    columns: dict[str, dict[str, str]]
    """Table → column → DuckDB type, of the tables that have been loaded."""
    newest: str | None
    """The highest load id there is."""


def prepare(connection: duckdb.DuckDBPyConnection, names: Iterable[str], started: datetime) -> Stored:
    """Ready an open work file for a load of the tables `names` that began at `started`, and return what stands there.

    A table that stands there empty because its system never answered is dropped: dlt makes it anew with the right types.
    """
    connection.begin()
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(create_sql("load_log", LOAD_COLUMNS))
    connection.execute(create_sql("load_rejects", REJECT_COLUMNS))
    # A file from before these columns were there.
    for column in ("changed_rows", "bytes", "checks"):
        connection.execute(f"alter table {SCHEMA}.load_log add column if not exists {column} {LOAD_COLUMNS[column]}")
    # Where the clock has been set back, what was loaded by the wrong time would be the newest until that time comes.
    connection.execute(
        f"update {SCHEMA}.load_log set started_at = started_at - (newest - ?::timestamp) - interval 1 microsecond"
        f" from (select max(started_at) as newest from {SCHEMA}.load_log) where started_at >= ?",
        [started, started],
    )
    file_names.reveal(connection)
    newest = connection.execute(f"select max(load_id) from {SCHEMA}.load_log").fetchone()
    loaded = {
        row[0]
        for row in connection.execute(f"select distinct table_name from {SCHEMA}.load_log where status = 'loaded'").fetchall()
    }
    for name in names:
        if name not in loaded:
            connection.execute(f'drop table if exists {SCHEMA}."{name}"')
    connection.commit()
    stored = {name: columns for name, columns in stored_types(connection).items() if name in loaded}
    return Stored(stored, newest[0] if newest else None)


def finish(
    connection: duckdb.DuckDBPyConnection,
    system: System,
    started: datetime,
    loads: Mapping[str, TableLoad],
    extracts: Mapping[str, Extract],
    rejects: Mapping[str, Path],
) -> None:
    """Write into the open work file what the load did, to disk: rows of re-read files, rejects, missing tables, log."""
    connection.begin()
    for name in loads:
        if name in extracts and extracts[name].incoming is not None:
            _replace_by_incoming(connection, name)
        connection.execute(f"drop table if exists {incoming(name)}")
    for name, found in extracts.items():
        if system.tables[name].write == "append" and found.files:
            # A file that comes again replaces its own rows, also when it comes empty. A sheet's rows belong to its file.
            deleted = connection.execute(
                f'delete from {SCHEMA}."{name}"'
                " where split_part(_source_ref, '#', 1) in (select unnest(?)) and _dlt_load_id <> ?",
                [[*map(file_ref, found.files)], loads[name].load_id],
            ).fetchone()
            loads[name].changed_rows = found.rows + (deleted[0] if deleted else 0)
            redelivered.put_later_on_top(connection, system.tables[name], name, found, loads[name].load_id)
        news.apply(connection, system.tables[name], name, found, loads[name].load_id)
        deletions.apply(connection, system.tables[name], name, found)
        _store_rejects(connection, system, name, loads[name], found, rejects.get(name))
        if loads[name].rejects:
            loads[name].message = f"{system.id}.{name}: {_summary(connection, loads[name].rejects, rejects[name])}"
    _complete(connection, system)
    _forget_states(connection)
    if system.connection.protocol == "files":
        file_names.note(connection, set().union(*(found.refs for found in extracts.values())))
    file_names.hide(connection)
    connection.commit()
    with duck.in_own_threads(connection):  # What is left to pack is less than a row group, and one thread's work.
        connection.execute("checkpoint")
        _log(connection, system, started, loads)
        connection.execute("force checkpoint")


def _log(connection: duckdb.DuckDBPyConnection, system: System, started: datetime, loads: Mapping[str, TableLoad]) -> None:
    """Judge the loads, and write an entry of the log for each. Of sizes only what has been checkpointed is known."""
    learnt_from = started - timedelta(weeks=WEEKS)
    sizes, log = _sizes(connection, loads), _entries(connection, f"where started_at >= '{learnt_from}'")
    entries = []
    for name, load in loads.items():
        notes = [f"column {told}" for told in load.retyped_columns]
        if load.anew:
            notes.append("read from the beginning, since the register asks for something else than before, or another server")
        if load.deleted_rows:
            notes.append(f"{load.deleted_rows} rows are gone from the source")
        if notes and load.status == "loaded":
            noted = "; ".join(notes)
            load.message = f"{load.message}; {noted}" if load.message else f"{system.id}.{name}: {noted}"
        row = connection.execute(f'select count(*) from {SCHEMA}."{name}"').fetchone()
        load.table_rows = row[0] if row else 0
        load.bytes = sizes.get(name, 0)
        table = system.tables[name]
        load.checks = judge(table, load, usual_rows(history(log, name, table.write == "replace"), started))
        written = [
            system.id, name, load.load_id, load.status, started.isoformat(), load.seconds, load.rows, load.rejects,
            load.source_rows, load.table_rows, load.changed_rows, load.bytes, ", ".join(load.new_columns),
            json.dumps({check.name: check.result for check in load.checks}), load.message,
        ]  # fmt: skip
        entries.append(dict(zip(LOAD_COLUMNS, written, strict=True)))
    # As one text: for each and every parameter DuckDB looks anew whether there is a pandas.
    connection.execute(
        f"insert into {SCHEMA}.load_log by name select unnest(from_json(?, ?), recursive := true)",
        [json.dumps(entries), json.dumps([LOAD_COLUMNS])],
    )


def log_renamed(connection: duckdb.DuckDBPyConnection, system: System, renamed: Mapping[str, tuple[str, int]]) -> None:
    """Log the tables whose rows are said to come from files of other names now: a change, though nothing was loaded.

    The entry is the last load's, of the same moment but for its place in the order: nothing has become fresher by it. Its id
    comes after the load's, whatever the clock says by now.
    """
    for name, (shown, rows) in renamed.items():
        message = (
            f"{system.id}.{name}: {rows} rows are from files that are named by a CPR number, and shown as from '{shown}'. "
            "Ask for files with other names"
        )
        connection.execute(
            f"insert into {SCHEMA}.load_log by name select * replace (greatest(?, load_id || '1') as load_id,"
            " started_at + interval 1 microsecond as started_at, 0 as seconds, ? as changed_rows, ? as message)"
            f" from {SCHEMA}.load_log"
            " where table_name = ? and status = 'loaded' order by started_at desc limit 1",
            [f"{datetime.now(UTC).timestamp():.6f}", rows, message, name],
        )


def _forget_states(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep dlt's newest state alone. It names every file that was taken, and dlt adds one at each load: with a delivery an hour,
    20 GB in three years.
    """
    states = f"{SCHEMA}._dlt_pipeline_state"
    if "_dlt_pipeline_state" in stored_types(connection):
        connection.execute(f"delete from {states} where _dlt_load_id < (select max(_dlt_load_id) from {states})")


def _replace_by_incoming(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Put the new snapshot in the place of the table that dlt made or kept; columns that only the latter has stay, empty."""
    stored = stored_types(connection)
    for column, kind in stored[name].items():
        if column not in stored[f"{name}__incoming"]:
            connection.execute(f'alter table {incoming(name)} add column "{column}" {kind}')
    connection.execute(f'drop table {SCHEMA}."{name}"')
    connection.execute(f'alter table {incoming(name)} rename to "{name}"')


def _store_rejects(
    connection: duckdb.DuckDBPyConnection, system: System, name: str, load: TableLoad, found: Extract, path: Path | None
) -> None:
    """Keep the rejects that belong to the rows now in the table: those of replaced rows go, the same one is not kept twice."""
    target = f"{SCHEMA}.load_rejects"
    columns = "{source_ref: 'VARCHAR', source_row: 'BIGINT', column_name: 'VARCHAR', reason: 'VARCHAR', raw_text: 'VARCHAR'}"
    came = f"read_json(?, format = 'newline_delimited', columns = {columns}, maximum_object_size = 67108864)"
    same = "old.source_ref = new.source_ref and old.reason = new.reason and old.raw_text = new.raw_text"
    rejected = path is not None and path.exists()
    if system.tables[name].write == "replace":
        again = f"not exists (select 1 from {came} as new where {same})" if rejected else "true"
        values = [str(path), name] if rejected else [name]
        connection.execute(f"delete from {target} as old where {again} and table_name = ?", values)
    elif found.files:
        connection.execute(
            f"delete from {target} where table_name = ? and split_part(source_ref, '#', 1) in (select unnest(?))",
            [name, [*map(file_ref, found.files)]],
        )
    if not rejected:
        return
    # An incremental table reads its last rows again on every load; what was rejected then is rejected again.
    connection.execute(
        f"""
        insert into {target}
        select ?, ?, ?, new.*
        from {came} as new
        where not exists (select 1 from {target} as old where old.table_name = ? and {same})
        """,
        [system.id, name, load.load_id, str(path), name],
    )


def _summary(connection: duckdb.DuckDBPyConnection, count: int, path: Path, shown: int = 3) -> str:
    """Say where the first rejects stand and why, without what they hold."""
    columns = "{source_ref: 'VARCHAR', source_row: 'BIGINT', reason: 'VARCHAR'}"
    found = connection.execute(
        f"select source_ref || coalesce(':' || source_row, '') || ': ' || reason"
        f" from read_json(?, format = 'newline_delimited', columns = {columns}, maximum_object_size = 67108864) limit {shown}",
        [str(path)],
    ).fetchall()
    listed = "; ".join(one_line(row[0]) for row in found) + ("; …" if count > shown else "")
    return f"{count} rows set aside ({listed}). Ask the data steward to correct them in the source"


def _complete(connection: duckdb.DuckDBPyConnection, system: System) -> None:
    """Add the tables and columns of the register that nothing has filled yet."""
    stored = stored_types(connection)
    for name in system.tables:
        declared = _declared(system, name)
        if name not in stored:
            connection.execute(create_sql(name, declared))
            continue
        for column, kind in declared.items():
            if column not in stored[name]:
                connection.execute(f'alter table {SCHEMA}."{name}" add column "{column}" {kind}')


def _sizes(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, int]:
    """Return, by table, the bytes it takes up in the file: whole blocks, of what has been checkpointed."""
    segments = " union all ".join(
        f"select {duck.literal(name)} as name, block_id, additional_block_ids from pragma_storage_info("
        + duck.literal(f'{SCHEMA}."{name}"')
        + ") where persistent"
        for name in names
    )
    if not segments:
        return {}
    found = connection.execute(
        f"""
        select name, count(distinct block) * (
            select block_size from pragma_database_size() where database_name = current_database()
        )
        from (select name, unnest(list_append(additional_block_ids, block_id)) as block from ({segments}))
        where block >= 0 group by name
        """
    )
    return dict(found.fetchall())


def read_logs(home: Home, system_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what these systems' load logs say of how their tables stand, oldest first; nothing where a load was never tried.

    Of a long log, by table: the last load that went well and those that failed since, the last that wrote, that changed and that
    brought anything. A log keeps all there ever were, in 200 systems a million after three years, and a night asks several times.
    """
    logs: dict[str, list[dict[str, Any]]] = {system_id: [] for system_id in system_ids}
    for system_id, connection in each(home, logs):
        (count,) = connection.execute(f"select count(*) from {SCHEMA}.load_log").fetchall()[0]
        logs[system_id] = _entries(connection, _STANDING if count > _FEW else "")
    return logs


_FEW = 1000
"""Entries that are read sooner than those among them that matter are found."""


_STANDING = """
    join (
        select
            table_name,
            coalesce(max(started_at) filter (where status <> 'failed'), '-infinity'::timestamp) as good,
            max(started_at) filter (where status = 'loaded') as wrote,
            max(started_at) filter (where status = 'loaded' and changed_rows is distinct from 0) as changed,
            max(started_at) filter (where rows > 0) as brought
        from log
        group by table_name
    ) using (table_name)
    where started_at >= good or started_at in (wrote, changed, brought)
"""


def _entries(connection: duckdb.DuckDBPyConnection, chosen: str) -> list[dict[str, Any]]:
    # A file that no load has touched since the log grew lacks the newest columns.
    whole = ", ".join(f"null::{kind} as {name}" for name, kind in LOAD_COLUMNS.items())
    log = connection.execute(
        f"with log as (from {SCHEMA}.load_log union all by name select {whole} where false)"
        f" select {', '.join(LOAD_COLUMNS)} from log {chosen} order by started_at, table_name"
    )
    return [dict(zip(LOAD_COLUMNS, row, strict=True)) for row in log.fetchall()]


def newest_changes(log: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return, by table, the load that last changed it. A load that found nothing new is none."""
    return {
        str(entry["table_name"]): str(entry["load_id"])
        for entry in log
        if entry["status"] == "loaded" and entry["changed_rows"] != 0
    }


def read_rejects(path: Path, table: str | None, raw: bool, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the newest rejects of a raw file (of one table, if named) and how many there are in all.

    Without `raw` their text comes as its shape (9 for each digit, a for each letter), and no file's name shows a CPR number.
    """
    import duckdb

    if not path.exists():
        return [], 0
    text = "raw_text" if raw else "regexp_replace(regexp_replace(raw_text, '\\p{Nd}', '9', 'g'), '\\pL', 'a', 'g')"
    named = [name for name in REJECT_COLUMNS if name != "raw_text"]
    chosen = f"from {SCHEMA}.load_rejects where ? is null or table_name = ?"
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(
            f"select {', '.join(named)}, {text} as raw_text {chosen}"
            " order by load_id desc, table_name, source_ref, source_row limit ?",
            [table, table, limit],
        ).fetchall()
        count = connection.execute(f"select count(*) {chosen}", [table, table]).fetchone()
    found = [dict(zip([*named, "raw_text"], row, strict=True)) for row in rows]
    if not raw:
        found = [{**reject, "source_ref": reject["source_ref"] and one_line(reject["source_ref"])} for reject in found]
    return found, count[0] if count else 0
