"""The escape hatch: rows from a function that the register names, under the same rules as all others."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, Row, SourceError, batches, text
from ingestion.register.custom import PythonTable
from ingestion.register.model import PythonSystem
from ingestion.settings import MissingSetting, resolve

if TYPE_CHECKING:
    import pyarrow as pa


def read(system: PythonSystem, table_name: str, table: PythonTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield what the function yields, in Arrow tables of text."""
    yield from batches(_rows(system, table_name, table, context))


def _rows(system: PythonSystem, table_name: str, table: PythonTable, context: ReadContext) -> Iterator[Row]:
    named = table.source.function
    function = _function(named)
    settings = {name: resolve(value) for name, value in system.connection.settings.items()}
    names = RawNames()
    ordinal = 0
    try:
        for record in _records(function(table_name, context.since, **settings)):
            if context.limit is not None and ordinal >= context.limit:
                return
            ordinal += 1
            if not isinstance(record, Mapping):
                context.reject(named, ordinal, "posten er ikke et objekt", repr(record))
                continue
            row: Row = {names[str(name)]: _text(value) for name, value in record.items()}
            yield {**row, SOURCE_REF: named, SOURCE_ROW: ordinal}
    except (SourceError, MissingSetting):
        raise
    except Exception as error:
        # Whatever a function of our own does wrong sinks its table and no other.
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise SourceError(
            f"{named} fails after {ordinal} rows: {type(error).__name__}{f': {said}' if said else ''}. Mend the function"
        ) from None


def _records(items: Iterable[Any]) -> Iterator[Any]:
    """Yield the rows of what a function or a dlt resource yields: dlt's own sources give pages as Arrow tables too."""
    import pyarrow as pa

    for item in items:
        if isinstance(item, (pa.Table, pa.RecordBatch)):
            yield from item.to_pylist()
        else:
            yield item


def _function(named: str) -> Any:
    module, _, name = named.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SourceError(f"there is no function {named} ({error}). Correct source.function, or install the module") from None
    if not callable(found):
        raise SourceError(f"{named} is no function. Correct source.function")
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, (float, datetime)) and value != value:
        return None  # NaN and NaT: how pandas says that nothing is there.
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, tuple):
        value = list(value)
    try:
        return text(value)
    except TypeError:  # Nothing that JSON knows: a UUID, a number of NumPy's.
        nested = isinstance(value, (dict, list))
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_text) if nested else str(value)
