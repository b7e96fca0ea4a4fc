"""Rows gone from the source: found by comparing snapshots, or told by the source; guarded, and kept if the register says.

They leave the table either way, so that nothing downstream has to know of them. With `on_deleted: keep` they stand in a table
beside it, `<table>__deleted`, one row for each time that a row went, with the time of the load that found it gone (UTC).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingestion.connectors.base import SCHEMA, SOURCE_ROW, ReadContext, SourceError
from ingestion.connectors.duck import identifier, literal

if TYPE_CHECKING:
    import duckdb

    from ingestion.extract import Extract
    from ingestion.register import Table

DELETED_AT = "_deleted_at"


def find(table: Table, name: str, context: ReadContext, found: Extract, snapshot: bool) -> None:
    """Write the rows of the stored table that are gone to `found.deleted`, whole.

    With a `snapshot` these are all that didn't come again; else those that the source names, less those that came again since.
    Rows that came before the source named them are left out of `found`.

    Raises:
        SourceError: they are more than the register allows.

    """
    told = context.deletion_path if context.deletions else None
    if told is None and not (snapshot and table.allowed_deletions is not None):
        return
    keys = [table.raw_names()[key] for key in table.key]
    connection = found.connection
    named = None
    if told is not None:
        columns = "{" + ", ".join(f"{literal(key)}: 'VARCHAR'" for key in keys) + f", {SOURCE_ROW}: 'BIGINT'}}"
        named = f"select * from read_json({literal(str(told))}, format = 'newline_delimited', columns = {columns})"
        leave_out(context, found, _among(named, keys, f"and other.{SOURCE_ROW} > stored.{SOURCE_ROW}"))
    came = _among(f"select {_listed(keys)} from {found.relation}", keys)
    gone = f"not {came}" if snapshot or named is None else f"{_among(named, keys)} and not {came}"
    path = context.workdir / "deleted.parquet"
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
    stored = f'{SCHEMA}."{name}"'
    row = connection.execute(
        f"copy (select stored.*, timestamp '{now}' as {DELETED_AT} from {stored} as stored where {gone})"
        f" to {literal(str(path))} (format parquet)"
    ).fetchone()
    counted = connection.execute(f"select count(*) from {stored}").fetchone()
    number, total = row[0] if row else 0, counted[0] if counted else 0
    allowed = table.allowed_deletions
    if allowed is not None and number > allowed * total:
        raise SourceError(
            f"{number} of {total} rows are gone, more than the {allowed:.0%} that max_deleted_share allows. "
            "Ask the vendor; if it is meant, raise it for one load"
        )
    if number:
        found.deleted, found.deleted_rows = path, number


def leave_out(context: ReadContext, found: Extract, bad: str) -> None:
    """Take the rows (`stored`) for which the SQL condition `bad` holds out of what was read."""
    connection = found.connection
    row = connection.execute(f"select count(*) from {found.relation} as stored where {bad}").fetchone()
    if not row or not row[0]:
        return
    found.rows -= row[0]
    if found.incoming is not None:
        connection.execute(f"delete from {found.relation} as stored where {bad}")
    else:
        path = context.workdir / "not-deleted.parquet"
        connection.execute(
            f"copy (select * from {found.relation} as stored where not {bad}) to {literal(str(path))} (format parquet)"
        )
        found.parts = [path]


def apply(connection: duckdb.DuckDBPyConnection, table: Table, name: str, found: Extract) -> None:
    """Take the rows that are gone out of the loaded table, and keep them if the register says so."""
    if found.deleted is None:
        return
    gone = f"read_parquet({literal(str(found.deleted))})"
    keys = [table.raw_names()[key] for key in table.key]
    connection.execute(f'delete from {SCHEMA}."{name}" as stored where {_among(f"select {_listed(keys)} from {gone}", keys)}')
    if table.on_deleted != "keep":
        return
    kept = f'{SCHEMA}."{name}__deleted"'
    connection.execute(f"create table if not exists {kept} as select * from {gone} limit 0")
    known = {row[0] for row in connection.execute(f"describe {kept}").fetchall()}
    for column, kind, *_ in connection.execute(f"describe select * from {gone}").fetchall():
        if column not in known:
            connection.execute(f"alter table {kept} add column {identifier(column)} {kind}")
    connection.execute(f"insert into {kept} by name select * from {gone}")


def _listed(keys: list[str]) -> str:
    return ", ".join(f"cast({identifier(key)} as varchar) as {identifier(key)}" for key in keys)


def _among(select: str, keys: list[str], further: str = "") -> str:
    """SQL for: the row `stored` has a key that `select` gives. A key without a value equals another without one."""
    same = " and ".join(f"other.{identifier(key)} is not distinct from cast(stored.{identifier(key)} as varchar)" for key in keys)
    return f"exists (select 1 from ({select}) as other where {same} {further})"
