"""`for_each`: the rows of another table, or the values, that a resource is asked for one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import ReadContext, SourceError
from ingestion.connectors.duck import identifier
from ingestion.naming import fold
from ingestion.register.api import ForEach
from ingestion.register.basics import TableBase

if TYPE_CHECKING:
    import pyarrow as pa


def parameters_of(
    system: Any, for_each: ForEach | None, context: ReadContext, read: Callable[..., Iterator[pa.Table]]
) -> Iterator[dict[str, str]]:
    """Yield each set of parameters once; a single empty one without `for_each`. Rows without a value are passed over.

    The other table is read anew and whole, so that what is asked for doesn't hang on what another load kept.

    Raises:
        SourceError: the other table cannot be read, or has fewer rows than its source counts: children would be missing.
    """
    if for_each is None:
        yield {}
        return
    if for_each.table is None:
        for name, values in for_each.values.items():
            yield from ({name: value} for value in values)
        return
    folder = context.workdir / f"parents-{for_each.table}"
    folder.mkdir(exist_ok=True)
    # Its own load reports its rejects; here only its keys count.
    own = replace(context, workdir=folder, since=None, limit=None, source_rows=None, rejects=0, _reject_file=None)
    wanted = {name: fold(column) for name, column in for_each.parameters.items()}
    seen: set[tuple[str, ...]] = set()
    came = 0
    try:
        for batch in read(system, for_each.table, system.tables[for_each.table], own):
            came += batch.num_rows
            for row in batch.to_pylist():
                values = [row.get(column) for column in wanted.values()]
                key = tuple(str(value) for value in values)
                if all(values) and key not in seen:  # Empty in an address, it would ask for the whole list.
                    seen.add(key)
                    yield dict(zip(wanted, key, strict=True))
        if own.source_rows is not None and came + own.rejects < own.source_rows:
            raise SourceError(
                f"the source counts {own.source_rows} rows of '{for_each.table}', each of which is asked about, but gave {came}. "
                "Load again, or ask the vendor"
            )
    finally:
        own.close()


def with_children(name: str, table: TableBase, for_each: ForEach | None, context: ReadContext) -> set[tuple[str, ...]] | None:
    """Return the sets of parameters of which rows stand in the raw table `name`; None where that is of no use or not known."""
    import duckdb

    wanted = {**for_each.parameters, **for_each.values} if for_each else {}
    if context.since is None or context.database is None or not wanted or not set(wanted) <= set(table.columns):
        return None
    listed = ", ".join(f"cast({identifier(fold(column))} as varchar)" for column in wanted)
    # A column that is new in the register stands nowhere yet.
    with suppress(duckdb.Error), context.database.cursor() as connection:
        return set(connection.execute(f"select distinct {listed} from raw.{identifier(name)}").fetchall())
    return None
