"""JSON records as rows: what REST and GraphQL share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, Row, SourceError, text
from ingestion.register.basics import TableBase

MISSING: Any = object()
_LINKS = "_links"
"""HAL's links between resources: navigation, not data."""
_PARENT = "^."


class Records:
    """Turns the records of a table's answers into rows, numbered through."""

    def __init__(self, table: TableBase, ref: str, records: str, each: str | None, context: ReadContext) -> None:
        self._table = table
        self._ref = ref
        self._records = records
        self._each = each
        self._context = context
        self._to_row = _Shape(table)
        self.left_out = 0
        """Records without a cursor that the register wants no rows of; the server's count knows nothing of that."""
        self.ordinal = 0

    @property
    def enough(self) -> bool:
        """Whether a preview has what it asked for."""
        return self._context.limit is not None and self.ordinal >= self._context.limit

    def rows(self, body: Any, parameters: Mapping[str, str] | None = None) -> Iterator[Row]:
        """Yield the rows of one answer. `parameters` fill the columns of their names."""
        given = {name: value for name, value in (parameters or {}).items() if name in self._table.columns}
        for outer in records_at(body, self._records):
            for record in records_at(outer, self._each) if self._each and isinstance(outer, dict) else [outer]:
                if self.enough:
                    return
                self.ordinal += 1
                if not isinstance(record, dict):
                    self._context.reject(self._ref, self.ordinal, "posten er ikke et objekt", text(record) or "")
                elif self._is_left_out(record, outer):
                    self.left_out += 1
                else:
                    row = self._to_row({**given, **record} if given else record, outer)
                    row[SOURCE_REF], row[SOURCE_ROW] = self._ref, self.ordinal
                    yield row

    def _is_left_out(self, record: dict[str, Any], outer: dict[str, Any]) -> bool:
        cursor = self._table.cursor
        if cursor is None or cursor.on_missing != "exclude":
            return False
        path = self._table.columns[cursor.column].path or cursor.column
        return _find(record, outer, path, None) is None


class _Shape:
    """Turns a record into a row: declared columns by their path, the rest by their own name."""

    def __init__(self, table: TableBase) -> None:
        self._names = RawNames()
        self._paths = {column: spec.path for column, spec in table.columns.items() if spec.path}
        # What a path leads through is taken apart, and so is no column of its own.
        inside = (path for path in self._paths.values() if not path.startswith(_PARENT))
        self._opened = {path.removeprefix("$.").split(".")[0] for path in inside} | {_LINKS}

    def __call__(self, record: dict[str, Any], outer: dict[str, Any]) -> Row:
        names, opened = self._names, self._opened
        row: Row = {names[name]: text(value) for name, value in record.items() if name not in opened}
        for column, path in self._paths.items():
            value = _find(record, outer, path, MISSING)
            if value is not MISSING:
                row[self._names[column]] = text(value)
        return row


def _find(record: Any, outer: Any, path: str, default: Any) -> Any:
    return dig(outer, path.removeprefix(_PARENT), default) if path.startswith(_PARENT) else dig(record, path, default)


def dig(body: Any, path: str, default: Any = MISSING) -> Any:
    """Return what stands at the dotted `path` (`$` is the whole; a number picks from a list), or `default`.

    A name that itself holds dots is found as long as it is whole.
    """
    steps = path.removeprefix("$").removeprefix(".")
    if not steps or body is None:  # Below a null everything is null, not missing.
        return body
    if isinstance(body, dict):
        if steps in body:
            return body[steps]
        name, _, rest = steps.partition(".")
        return dig(body[name], rest, default) if rest and name in body else default
    name, _, rest = steps.partition(".")
    if isinstance(body, list) and name.isdigit() and int(name) < len(body):
        return dig(body[int(name)], rest, default)
    return default


def records_at(body: Any, path: str) -> list[Any]:
    """Return the list at `path`.

    Raises:
        SourceError: there is none.

    """
    found = dig(body, path)
    if found is None:  # JSON's null: this page has no records.
        return []
    if not isinstance(found, list):
        raise SourceError(f"the answer has no list of records at '{path}'. Check the paths in the register")
    return found


def once(mark: str, seen: set[str]) -> None:
    """Raise `SourceError` if `mark` has been `seen`, else add it."""
    if mark in seen:
        raise SourceError("the server's pages go in a ring. Ask the vendor")
    seen.add(mark)
