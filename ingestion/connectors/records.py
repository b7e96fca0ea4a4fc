"""JSON records as rows: what REST and GraphQL share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import LACKING, RawNames, ReadContext, SourceError, by_name, column, gather, placed, text
from ingestion.register.basics import EachMissing, TableBase

if TYPE_CHECKING:
    import pyarrow as pa

MISSING: Any = object()
_LINKS = "_links"
"""HAL's links between resources: navigation, not data."""
_PARENT = "^."


Record = tuple[int, dict[str, Any], Any]
"""Ordinal, fields, and the object whose list the record was taken out of, if it was."""


class Records:
    """Finds the records in a table's answers, numbers them through, and turns them into Arrow."""

    def __init__(
        self, table: TableBase, ref: str, records: str, each: str | None, context: ReadContext, missing: EachMissing
    ) -> None:
        self._table = table
        self._ref = ref
        self._records = records
        self._each = each
        self._may_lack = missing == "empty"
        self._context = context
        self._shape = _Shape(table)
        cursor = table.cursor
        self._wanted = cursor and cursor.on_missing == "exclude" and (table.columns[cursor.column].path or cursor.column)
        self.left_out = 0
        """Records without a cursor that the register wants no rows of; the server's count knows nothing of that."""
        self.ordinal = 0
        self._with_list = self._without_list = False

    @property
    def enough(self) -> bool:
        """Whether a preview has what it asked for."""
        return self._context.limit is not None and self.ordinal >= self._context.limit

    def batches(self, found: Iterable[Record]) -> Iterator[pa.Table]:
        """Gather what was found into Arrow tables of text, as `base.batches` does."""
        yield from gather(found, self._to_table)
        if self._without_list and not self._with_list and not self._may_lack:
            raise SourceError(f"no record has a list at '{self._each}'. {LACKING}")

    def _to_table(self, found: list[Record]) -> pa.Table:
        columns = {name: column(values) for name, values in self._shape(found).items()}
        return placed(columns, self._ref, [ordinal for ordinal, _, _ in found])

    def of(self, body: Any, parameters: Mapping[str, str] | None = None) -> Iterator[Record]:
        """Yield the records of one answer. `parameters` fill the columns of their names."""
        given = {name: value for name, value in (parameters or {}).items() if name in self._table.columns}
        for outer in records_at(body, self._records):
            for record in self._inner(outer):
                if self.enough:
                    return
                self.ordinal += 1
                if not isinstance(record, dict):
                    self._context.reject(self._ref, self.ordinal, "posten er ikke et objekt", text(record) or "")
                elif self._wanted and _find(record, outer, self._wanted, None) is None:
                    self.left_out += 1
                else:
                    yield self.ordinal, {**given, **record} if given else record, outer

    def _inner(self, outer: Any) -> list[Any]:
        """Return what makes rows of a record: itself, or the elements of its list, which many systems leave out when empty."""
        if self._each is None or not isinstance(outer, dict):
            return [outer]
        if dig(outer, self._each) is MISSING:
            self._without_list = True
            return []
        self._with_list = True
        return records_at(outer, self._each)


class _Shape:
    """Turns records into columns: declared ones by their path, the rest by their own name."""

    def __init__(self, table: TableBase) -> None:
        self._names = RawNames()
        self._paths = {column: spec.path for column, spec in table.columns.items() if spec.path}
        # What a path leads through is taken apart, and so is no column of its own.
        inside = (path for path in self._paths.values() if not path.startswith(_PARENT))
        self._opened = {path.removeprefix("$.").split(".")[0] for path in inside} | {_LINKS}

    def __call__(self, found: list[Record]) -> dict[str, Sequence[Any]]:
        names, own = self._names, by_name([fields for _, fields, _ in found])
        # A field called as a column whose value stands elsewhere does not take its place.
        columns = {
            names[f"{name} felt" if name in self._paths else name]: values
            for name, values in own.items()
            if name not in self._opened
        }
        for name, path in self._paths.items():
            values = [_find(fields, outer, path, MISSING) for _, fields, outer in found]
            if any(value is not MISSING for value in values):
                columns[names[name]] = [None if value is MISSING else value for value in values]
        return columns


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
