"""Relational databases through SQLAlchemy, and PostgreSQL through DuckDB's own extension, several times faster.

Both read and count in one transaction, so that the count is of the very rows that are read. Rows without a cursor value come
along unless the register leaves them out: landing sets them aside where they can be seen.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import BATCH_ROWS, SOURCE_REF, SOURCE_ROW, ReadContext, SourceError
from ingestion.connectors.duck import Stored
from ingestion.connectors.sql_postgres import read_postgres
from ingestion.connectors.sql_ranges import at_once, conditions
from ingestion.connectors.sql_session import connected, give_up
from ingestion.connectors.sql_source import Source, describe, escaped, quoting, what_happened
from ingestion.connectors.sql_types import cursor_value, fitted, fitted_of_sqlite, kind_of, read_as, taken_whole
from ingestion.register.basics import Limits
from ingestion.register.database import SqlTable
from ingestion.register.model import SqlSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa


_UNFIT = (ValueError, TypeError, ArithmeticError, NotImplementedError)
"""What Arrow's own exceptions derive from too."""


def read(system: SqlSystem, table_name: str, table: SqlTable, context: ReadContext) -> Iterator[pa.Table | Path | Stored]:
    """Yield the table in native types: Arrow tables or, from PostgreSQL, one Parquet file or a table in the work file."""
    import sqlalchemy as sa

    try:
        url = sa.make_url(resolve(system.connection.url))
        if system.connection.password is not None:
            url = url.set(password=resolve(system.connection.password))
        with connected(url, system.limits) as connection:
            source = describe(connection, table)
            if connection.dialect.name != "postgresql":
                yield from _read_rows(connection, url, system.limits, source, context)
                return
        yield from read_postgres(url, system.limits, source, context)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise SourceError(what_happened(error)) from None


def _read_rows(
    connection: sa.Connection, url: sa.URL, limits: Limits, source: Source, context: ReadContext
) -> Iterator[pa.Table]:
    import sqlalchemy as sa

    quote = quoting(connection.dialect)
    context.guessed = not source.types
    cursor = source.table.cursor
    bound: dict[str, object] = {}
    if cursor is not None and context.since is not None:
        bound["since"] = cursor_value(source.table.columns[cursor.column].type, context.since)
    where = source.condition(quote, ":since" if bound else None)
    relation = f"{escaped(source.relation)}{where}"
    if context.limit is None:  # To count a large table takes minutes, for a preview of ten rows.
        counted, *sums = connection.execute(
            sa.text(f"SELECT {', '.join(escaped(of) for of in source.totals(quote))} FROM {relation}"), bound
        ).one()
        context.source_rows = int(counted)
        source.note(sums, context)
    size = min(BATCH_ROWS, context.limit or BATCH_ROWS)

    def part(session: sa.Connection, within: str) -> Iterator[list[tuple[Any, ...]]]:
        condition = f" {'AND' if where else 'WHERE'} {within}" if within else ""
        statement = sa.text(f"SELECT {escaped(', '.join(source.selected))} FROM {relation}{condition}")
        columns = (
            [sa.column(name, read_as(source.types[name], source.dialect)) for name in source.columns] if source.types else []
        )
        typed = statement.columns(*columns) if columns else statement
        result = session.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS).execute(typed, bound)
        try:
            while rows := result.fetchmany(size):
                yield [tuple(row) for row in rows]
        except GeneratorExit:
            give_up(session, result)
            raise

    parts, connections = [""], 1
    ranges = source.table.source.ranges
    if ranges is not None and context.source_rows is not None:
        key = quote(source.name_of(ranges.column, "source.ranges"))
        least, most = connection.execute(sa.text(f"SELECT min({key}), max({key}) FROM {relation}"), bound).one()
        parts, connections = conditions(ranges, key, least, most, context.source_rows), ranges.connections
    if connections > 1 and len(parts) > 1:
        found = at_once(connections, lambda: connected(url, limits), parts, part)
    else:
        found = (rows for within in parts for rows in part(connection, within))
    kinds: dict[str, pa.DataType] = {}
    done = 0
    with contextlib.closing(found):
        for rows in found:
            yield _to_arrow(source, rows, kinds, done, context)
            done += len(rows)
            if context.limit is not None and done >= context.limit:
                return


def _to_arrow(
    source: Source, rows: Sequence[tuple[Any, ...]], kinds: dict[str, pa.DataType], done: int, context: ReadContext
) -> pa.Table:
    """Rows as Arrow. A column keeps the type it has in the first batch; a row with a value that doesn't fit is set aside."""

    def settled(name: str, position: int) -> pa.DataType:
        if name not in kinds:
            kinds[name] = kind_of(source.types.get(name), [row[position] for row in rows])
        return kinds[name]

    schema = [(raw, settled(name, position)) for position, (name, raw) in enumerate(source.columns.items())]
    numbered = list(enumerate(rows, start=done + 1))
    try:
        return _table(source, schema, numbered)
    except _UNFIT:
        sound = []
        for number, row in numbered:
            try:
                _table(source, schema, [(number, row)])
                sound.append((number, row))
            except _UNFIT:
                named = dict(zip(source.columns.values(), row, strict=True))
                context.reject(
                    source.ref, number, "værdi passer ikke til kolonnens type", json.dumps(named, ensure_ascii=False, default=str)
                )
        return _table(source, schema, sound)


def _table(source: Source, schema: list[tuple[str, pa.DataType]], numbered: list[tuple[int, tuple[Any, ...]]]) -> pa.Table:
    import pyarrow as pa

    to = fitted_of_sqlite if source.dialect == "sqlite" and source.types else fitted
    columns: Iterable[tuple[Any, ...]] = zip(*(row for _, row in numbered), strict=True) if numbered else [()] * len(schema)
    arrays = {raw: _array(values, kind, to) for values, (raw, kind) in zip(columns, schema, strict=True)}
    arrays[SOURCE_REF] = pa.repeat(pa.scalar(source.ref, pa.string()), len(numbered))
    arrays[SOURCE_ROW] = pa.array([number for number, _ in numbered], pa.int64())
    return pa.table(arrays)


def _array(values: tuple[Any, ...], kind: pa.DataType, to: Callable[[Any, pa.DataType], Any]) -> pa.Array:
    import pyarrow as pa

    if to is fitted and taken_whole(values, kind):  # At once, in a third of the time.
        with contextlib.suppress(*_UNFIT):
            return pa.array(values, kind)
    return pa.array([to(value, kind) for value in values], kind)
