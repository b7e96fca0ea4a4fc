"""Run a connector to the end, into Parquet or the work file, and hold the result against the register before it is loaded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion import retyped
from ingestion.connectors import connector_for, totals
from ingestion.connectors.base import BATCH_ROWS, LOAD_ID, SOURCE_REF, SOURCE_ROW, ReadContext, SourceError, too_long
from ingestion.connectors.duck import (
    TOO_LITTLE,
    Incoming,
    Scan,
    Stored,
    add,
    connect,
    identifier,
    in_own_threads,
    literal,
    packed_fast,
    store,
)
from ingestion.cursor import highest
from ingestion.messages import one_line
from ingestion.register import System, Table
from ingestion.settings import MissingSetting

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

_SCANS_AT_ONCE = 64
"""Files of delimited text that are handed to dlt as one."""
_PLACED_AT_ONCE = 16 * 122_880
"""Rows that are numbered in one step: whole row groups of DuckDB's."""
_OURS = {LOAD_ID, SOURCE_REF, SOURCE_ROW}


@dataclass
class Extract:
    """A table as read, not yet loaded: Parquet files, and scans of other files, in the load's private folder, or `incoming`."""

    connection: duckdb.DuckDBPyConnection
    incoming: Incoming | None = None
    """Where all rows stand, if they went straight into the work file."""
    parts: list[Path | Scan] = field(default_factory=list)
    rows: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    """By source name, the sum of each column whose control total is declared, over all rows read."""
    schema: dict[str, pa.DataType] = field(default_factory=dict)
    new_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    retyped_columns: list[str] = field(default_factory=list)
    """Columns whose values were made to fit the stored type, with both types."""
    files: list[str] = field(default_factory=list)
    """Names of the files read to the end; their earlier rows are replaced by these."""
    refs: set[str] = field(default_factory=set)
    """What rows are said to come from, of files."""
    again: list[str] = field(default_factory=list)
    """Those of them that earlier loads have taken."""
    deleted: Path | None = None
    """Rows of the stored table that are gone from the source, whole, as Parquet."""
    deleted_rows: int = 0
    replaced: Path | None = None
    """Keys whose stored rows these take the place of, or that are gone, as Parquet."""
    changed_rows: int | None = None
    """Rows that are new, differ from what is stored, or are gone; None where nobody compared."""
    unchanged: bool = False
    """The source had nothing that earlier loads have not taken: the table stays as it is, and is not empty."""

    @property
    def relation(self) -> str:
        return self.incoming.relation if self.incoming is not None else self.of_parts()

    def of_parts(self, *, placed: bool = True) -> str:
        """SQL for all that was read, scans first; without the places of those rows that follow one by one, if not `placed`."""
        listed = ", ".join(literal(str(part)) for part in self.parts if isinstance(part, Path))
        selects = [part.sql if placed else part.unplaced for part in self.parts if isinstance(part, Scan)]
        if listed:
            selects.append(f"select * from read_parquet([{listed}], union_by_name = true)")
        return f"({' union all by name '.join(f'({select})' for select in selects)})"

    def query(self, sql: str) -> pa.Table:
        return self.connection.sql(sql).to_arrow_table()

    def spelled(self) -> str:
        """All columns as SQL, dates and moments as text: Python has none before the year 1 and after 9999 (`BC`, `infinity`)."""
        import pyarrow as pa

        names = [identifier(name) for name, kind in self.schema.items() if pa.types.is_temporal(kind)]
        return f"* replace ({', '.join(f'cast({name} as varchar) as {name}' for name in names)})" if names else "*"

    def highest(self, column: str, column_type: str) -> str | None:
        return highest(self.connection, self.relation, column, column_type)

    def _gathered(self) -> Iterator[Path | Scan]:
        """Yield the parts, many scans as few: dlt takes each for a job of its own, and looks through all jobs for each."""
        yield from (part for part in self.parts if isinstance(part, Path))
        scans = iter([part for part in self.parts if isinstance(part, Scan)])
        while some := list(islice(scans, _SCANS_AT_ONCE)):
            yield some[0] if len(some) == 1 else Scan.joined(some)

    def dlt_items(self, disposition: dict[str, Any], folder: Path) -> Iterator[Any]:
        """Hand the files to dlt as they are: no row passes through Python again."""
        import dlt
        import pyarrow as pa
        import pyarrow.parquet as pq
        from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns

        columns = py_arrow_to_table_schema_columns(pa.schema(list(self.schema.items())))
        for name, kind in self.schema.items():
            columns[name]["nullable"] = True
            if pa.types.is_timestamp(kind) and kind.tz is None:
                # dlt takes a timestamp without a zone for one in UTC and moves it; a source's local time must stay as written.
                columns[name]["timezone"] = False
        hints = dlt.mark.make_hints(columns=columns, **disposition)
        for number, part in enumerate(self._gathered()):
            if isinstance(part, Path):
                yield dlt.mark.with_file_import(str(part), "parquet", pq.ParquetFile(part).metadata.num_rows, hints=hints)
            else:
                model = folder / f"scan-{number:05}.model"
                model.write_text(_dlt_model(part, list(self.schema)), encoding="utf-8")
                yield dlt.mark.with_file_import(str(model), "model", part.rows, hints=hints)


def _dlt_model(scan: Scan, columns: list[str]) -> str:
    """Return the scan in dlt's `model` format: a SELECT that the destination inserts.

    It stands in a string, so that dlt's parser has nothing to misread. What other parts have, and this one lacks, is NULL.
    """
    listed = ", ".join(f"{identifier(name) if name in scan.columns else 'NULL'} AS {identifier(name)}" for name in columns)
    return f"dialect: duckdb\nSELECT {listed} FROM query({literal(scan.sql)})\n"


def extract(
    system: System,
    name: str,
    table: Table,
    context: ReadContext,
    *,
    stored: Mapping[str, str] | None = None,
    check: bool = True,
) -> Extract:
    """Read `table` through its connector and check it. `stored` holds the raw table's column types, to compare with.

    Raises:
        SourceError: one line that names the system, the table, what happened and what to do.
    """
    import duckdb

    found = Extract(connect(context))
    try:
        _read(system, name, table, context, found, first=stored is None)
        _store_scans(context, found)
        found.unchanged = _is_unchanged(system, context, found)
        if check and not found.unchanged:
            # Before anything is set aside: what has no key was sent all the same.
            found.sums = (
                totals.of_rows(found.connection, found.relation, table, found.schema) if found.parts or found.incoming else {}
            )
            _set_aside_unkeyed(table, context, found)
            _check(name, table, context, found, stored)
    except (SourceError, MissingSetting) as error:
        raise SourceError(_named(system, name, one_line(error)), check=getattr(error, "check", "")) from error
    except duckdb.OutOfMemoryException as error:
        raise SourceError(_named(system, name, TOO_LITTLE)) from error
    except duckdb.Error as error:
        raise SourceError(_named(system, name, one_line(error)[:500])) from error
    found.files, found.refs = sorted(context.files_loaded), context.refs
    return found


def _is_unchanged(system: System, context: ReadContext, found: Extract) -> bool:
    if system.connection.protocol == "files":
        return bool(context.files_seen) and not context.files_loaded
    incremental = (context.since is not None or context.token is not None) and not context.complete
    return incremental and not found.rows and not context.rejects and not context.deletions


def _named(system: System, name: str, message: str) -> str:
    place = f"{system.id}.{name}"
    return message if message.startswith(place) else f"{place}: {message}"


def _read(system: System, name: str, table: Table, context: ReadContext, found: Extract, *, first: bool) -> None:
    """Drain the connector into Parquet or the work file, so that memory is bounded by a batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    deadline = time.monotonic() + system.limits.table_seconds
    with _Batches(context, found, context.incoming if first else None) as batches:
        for batch in connector_for(system)(system, name, table, context):
            if time.monotonic() > deadline:
                raise too_long(system.limits)
            if isinstance(batch, Path):
                file = pq.ParquetFile(batch)
                found.parts.append(batch)
                found.rows += file.metadata.num_rows
                _learn(found, file.schema_arrow)
            elif isinstance(batch, Scan):
                found.parts.append(batch)
                found.rows += batch.rows
                _learn(found, pa.schema([(name, pa.int64() if name == SOURCE_ROW else pa.string()) for name in batch.columns]))
            elif isinstance(batch, Stored):
                _take_stored(context, found)
                found.rows += batch.rows
            else:
                batches.take(batch)
                found.rows += batch.num_rows
            if context.limit is not None and found.rows >= context.limit:
                break


class _Batches:
    """Where Arrow tables go: to Parquet, one file per shape, or those of a large first load straight into the work file, for two
    thirds of the CPU time. There they are one transaction, so that DuckDB packs whole row groups and logs none of them.

    Of a later load most is as it was, and what is packed for nothing costs more than it saves.
    """

    def __init__(self, context: ReadContext, found: Extract, incoming: Incoming | None) -> None:
        self._context, self._found, self._incoming = context, found, incoming
        self._writer: pq.ParquetWriter | None = None
        self._straight = False

    def __enter__(self) -> _Batches:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._straight and kind is None:
            self._found.connection.commit()
        elif self._straight:
            self._found.connection.rollback()

    def take(self, batch: pa.Table) -> None:
        import pyarrow as pa

        if LOAD_ID not in batch.column_names:
            batch = batch.append_column(LOAD_ID, pa.repeat(pa.scalar(self._context.load_id, pa.string()), batch.num_rows))
        if self._incoming is not None and (self._straight or self._is_large(batch, self._incoming.least_rows)):
            self._store(batch, self._incoming)
        else:
            self._write(batch)

    def _is_large(self, batch: pa.Table, least_rows: int) -> bool:
        """Whether a first batch is full, and of types that DuckDB takes for what dlt would make of them."""
        import pyarrow as pa

        plain = {*batch.schema.types} <= {pa.string(), pa.int64()}
        return plain and batch.num_rows >= min(BATCH_ROWS, least_rows) and not self._found.parts

    def _store(self, batch: pa.Table, incoming: Incoming) -> None:
        connection = self._found.connection
        with in_own_threads(connection):
            connection.register("batch", batch)
            if self._straight:
                for name in batch.column_names:
                    if name not in self._found.schema:
                        connection.execute(f"alter table {incoming.relation} add column {identifier(name)} varchar")
                add(connection, incoming, "by name from batch")
            else:
                connection.begin()
                self._straight, self._found.incoming = True, incoming
                store(connection, incoming, "from batch")
            connection.unregister("batch")
        _learn(self._found, batch.schema)

    def _write(self, batch: pa.Table) -> None:
        import pyarrow.parquet as pq

        if self._writer is None or not self._writer.schema.equals(batch.schema):
            if self._writer is not None:
                self._writer.close()
            part = self._context.workdir / f"part-{len(self._found.parts):05}.parquet"
            self._writer = pq.ParquetWriter(part, batch.schema, compression="snappy")
            self._found.parts.append(part)
            _learn(self._found, batch.schema)
        self._writer.write_table(batch)


def _take_stored(context: ReadContext, found: Extract) -> None:
    if context.incoming is None or found.parts:
        raise TypeError("nothing but a table that is replaced whole can be stored at once")
    found.incoming = context.incoming
    _learn(found, found.query(f"select * from {found.relation} limit 0").schema)


def _store_scans(context: ReadContext, found: Extract) -> None:
    """Write a large snapshot of scanned files into the work file, so that checks and load don't read the files again."""
    scans = [part for part in found.parts if isinstance(part, Scan)]
    if context.incoming is None or found.rows < context.incoming.least_rows or not scans:
        return
    select = found.of_parts(placed=False)
    found.incoming = context.incoming
    with packed_fast(found.connection):
        stored = store(found.connection, context.incoming, f"FROM {select}")
        if stored.rows != found.rows:
            raise SourceError(f"{found.rows} rows stand in the files, {stored.rows} came out. Report it to the platform's team")
        _place(found.connection, context.incoming.relation, scans)
    found.parts.clear()


def _place(connection: duckdb.DuckDBPyConnection, relation: str, scans: Sequence[Scan]) -> None:
    """Number the rows of a new table (`_source_row`) by their position in it, which is the order in which they were read.

    Numbered while it reads, DuckDB works in one thread and takes a fifth longer. Changes stay in memory until a checkpoint, so
    the table is numbered in steps.
    """
    at = changed = 0
    for scan in scans:
        end = at + scan.rows
        for begin in range(at, end if scan.first is not None else at, _PLACED_AT_ONCE):
            upto = min(begin + _PLACED_AT_ONCE, end)
            if changed + upto - begin > _PLACED_AT_ONCE:
                connection.execute("checkpoint")
                changed = 0
            changed += upto - begin
            place = f"rowid + {(scan.first or 0) - at}"
            connection.execute(f"update {relation} set {SOURCE_ROW} = {place} where rowid >= {begin} and rowid < {upto}")
        at = end


def _learn(found: Extract, schema: pa.Schema) -> None:
    import pyarrow as pa

    for column in schema:
        known = found.schema.get(column.name)
        if known is None or pa.types.is_null(known):
            found.schema[column.name] = column.type
        elif known != column.type and not pa.types.is_null(column.type):
            raise SourceError(
                f"column '{column.name}' changes from {known} to {column.type} within one load. Ask the vendor what changed"
            )


def _set_aside_unkeyed(table: Table, context: ReadContext, found: Extract) -> None:
    """Rows that cannot be merged (no key) or followed (no cursor, unless declared) go to the rejects, whole."""
    if table.write != "merge" or not found.rows:
        return
    names = table.raw_names()
    reasons = {names[key]: f"nøglen '{key}' mangler" for key in table.key}
    if table.cursor is not None and table.cursor.on_missing != "include":
        reasons.setdefault(names[table.cursor.column], f"'{table.cursor.column}' (vandmærke) mangler")
    present = [column for column in reasons if column in found.schema]
    if not present:
        return
    bad = " or ".join(f'"{column}" is null' for column in present)
    rows = found.query(f"select {found.spelled()} from {found.relation} where {bad}").to_pylist()
    if not rows:
        return
    excluded = table.cursor is not None and table.cursor.on_missing == "exclude"
    for row in rows:
        column = next(name for name in present if row[name] is None)
        if excluded and column not in (names[key] for key in table.key):
            continue
        context.reject(row[SOURCE_REF], row[SOURCE_ROW], reasons[column], as_json(row), column)
    found.rows -= len(rows)
    if found.incoming is not None:
        found.connection.execute(f"delete from {found.relation} where {bad}")
        return
    kept = context.workdir / "kept.parquet"
    found.connection.execute(f"copy (select * from {found.relation} where not ({bad})) to '{kept}' (format parquet)")
    found.parts = [kept]


def as_json(row: dict[str, Any]) -> str:
    """Return a row as the source gave it, for the rejects."""
    return json.dumps({name: value for name, value in row.items() if name not in _OURS}, ensure_ascii=False, default=str)


def _check(name: str, table: Table, context: ReadContext, found: Extract, stored: Mapping[str, str] | None) -> None:
    declared = {raw: source for source, raw in table.raw_names().items()}
    observed = {name for name in found.schema if name not in _OURS}
    # Where persons stand side by side, a heading is a CPR number.
    found.new_columns = sorted(one_line(name) for name in observed if name not in declared)
    if found.rows:
        found.missing_columns = sorted({*context.lacking, *(source for raw, source in declared.items() if raw not in observed)})
    needed = {*table.key} | ({table.cursor.column} if table.cursor and table.cursor.on_missing == "reject" else set())
    missing = [name for name in found.missing_columns if name in needed or table.on_missing_column == "fail"]
    if missing:
        listed = ", ".join(f"'{name}'" + (f" ({context.lacking[name]})" if name in context.lacking else "") for name in missing)
        raise SourceError(f"the source no longer gives {listed}. Ask the vendor, or change the register file")
    read = found.rows + context.rejects
    if context.source_rows is not None and read < context.source_rows:
        raise SourceError(f"the source counts {context.source_rows} rows but gave {read}. Load again, or ask the vendor")
    if not found.rows and context.rejects and stored and table.write == "replace":
        raise SourceError(
            f"not one of {context.rejects} rows could be read ({context.first_reject}). Those that are there stay; "
            "correct the register file, or ask what changed"
        )
    if stored and found.rows:
        retyped.check(name, table, context, found, stored)
    _block(table, context, found)
    minimum = table.expected_rows.min
    if found.rows < minimum and (table.write == "replace" or stored is None):
        raise SourceError(
            f"{found.rows} rows came where at least {minimum} are expected. Ask the vendor, or lower expected_rows.min"
        )
    # A table of the register always has all its columns, whatever the source sent this time.
    import pyarrow as pa

    for raw in declared:
        found.schema.setdefault(raw, pa.string())
    found.schema.setdefault(SOURCE_REF, pa.string())
    found.schema.setdefault(SOURCE_ROW, pa.int64())
    found.schema.setdefault(LOAD_ID, pa.string())
    for name, kind in found.schema.items():
        if pa.types.is_null(kind):
            found.schema[name] = pa.string()
    if not found.parts:
        # dlt's own way of making an empty table adds a `_dlt_id` that must not be NULL, and every later file import would fail.
        import pyarrow.parquet as pq

        found.parts.append(context.workdir / "empty.parquet")
        pq.write_table(pa.schema(list(found.schema.items())).empty_table(), context.workdir / "empty.parquet")


def _block(table: Table, context: ReadContext, found: Extract) -> None:
    """Refuse what only warns elsewhere, where the register wants it so."""
    most, wanted = table.expected_rows.max, table.blocking
    if "row_range" in wanted and most is not None and found.rows > most:
        raise SourceError(
            f"{found.rows} rows came where at most {most} are expected. Ask the vendor, or raise expected_rows.max",
            check="row_range",
        )
    if "contract" in wanted and found.new_columns:
        listed = ", ".join(f"'{name}'" for name in found.new_columns)
        raise SourceError(
            f"the source has new columns {listed}. Ask the vendor, and add them to the register file", check="contract"
        )
    wrong = [name for name, total in context.sums.items() if total != found.sums.get(name, 0)]
    if "control_totals" in wanted and wrong:
        raise SourceError(
            f"the source gives {context.sums[wrong[0]]:f} as the sum of '{wrong[0]}', the rows {found.sums.get(wrong[0], 0):f}. "
            "Have it sent again, or ask the vendor",
            check="control_totals",
        )
    if "rejects" in wanted and context.rejects:
        raise SourceError(
            f"{context.rejects} rows could not be read. Have the delivery corrected, or leave out `blocking: [rejects]`",
            check="rejects",
        )
