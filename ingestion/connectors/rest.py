"""REST: JSON over HTTP, paged by number, by cursor, by link or not at all, as the register says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, Row, SourceError, batches, text
from ingestion.connectors.http import HttpClient, client, counted, follow
from ingestion.register.api import CursorPaging, NextLinkPaging, PagePaging, RestTable
from ingestion.register.model import RestSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa

_MISSING: Any = object()
_LINKS = "_links"
"""HAL's links between resources: navigation, not data."""


def read(system: RestSystem, table_name: str, table: RestTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the resource's records in Arrow tables of text."""
    connection = system.connection
    headers = {name: resolve(value) for name, value in connection.headers.items()}
    with client(connection.auth, headers, system.limits) as http:
        yield from batches(_rows(http, system, table, context))


def _rows(http: HttpClient, system: RestSystem, table: RestTable, context: ReadContext) -> Iterator[Row]:
    to_row = _Shape(table)
    ordinal = 0
    for body in _bodies(http, resolve(system.connection.url), table, context):
        if table.source.total and context.source_rows is None:
            context.source_rows = counted(dig(body, table.source.total, None))
        for record in _records(body, table.source.records):
            if context.limit is not None and ordinal >= context.limit:
                return
            ordinal += 1
            if not isinstance(record, dict):
                context.reject(table.source.path, ordinal, "posten er ikke et objekt", text(record) or "")
                continue
            if _left_out(record, table):
                # The server's count knows nothing of what the register leaves out.
                context.source_rows = context.source_rows - 1 if context.source_rows is not None else None
                continue
            yield {**to_row(record), SOURCE_REF: table.source.path, SOURCE_ROW: ordinal}


def _left_out(record: dict[str, Any], table: RestTable) -> bool:
    if table.cursor is None or table.cursor.on_missing != "exclude":
        return False
    column = table.cursor.column
    return dig(record, table.columns[column].path or column, None) is None


class _Shape:
    """Turns a record into a row: declared columns by their path, the rest by their own name."""

    def __init__(self, table: RestTable) -> None:
        self._names = RawNames()
        self._paths = {column: spec.path for column, spec in table.columns.items() if spec.path}
        # What a path leads through is taken apart, and so is no column of its own.
        self._opened = {path.removeprefix("$.").split(".")[0] for path in self._paths.values()} | {_LINKS}

    def __call__(self, record: dict[str, Any]) -> Row:
        row: Row = {self._names(name): text(value) for name, value in record.items() if name not in self._opened}
        for column, path in self._paths.items():
            value = dig(record, path)
            if value is not _MISSING:
                row[self._names(column)] = text(value)
        return row


def dig(body: Any, path: str, default: Any = _MISSING) -> Any:
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


def _records(body: Any, path: str) -> list[Any]:
    found = dig(body, path)
    if found is None:  # JSON's null: this page has no records.
        return []
    if not isinstance(found, list):
        raise SourceError(f"the answer has no list of records at '{path}'. Check `records` in the register")
    return found


def _bodies(http: HttpClient, base: str, table: RestTable, context: ReadContext) -> Iterator[Any]:
    source = table.source
    url = f"{base.rstrip('/')}/{source.path.lstrip('/')}"
    params = dict(source.params)
    if table.cursor and table.cursor.param and context.since is not None:
        params[table.cursor.param] = context.since
    if isinstance(source.paging, PagePaging):
        return _by_number(http, url, params, table, source.paging)
    if isinstance(source.paging, CursorPaging):
        return _by_cursor(http, url, params, source.paging)
    if isinstance(source.paging, NextLinkPaging):
        return _by_link(http, url, params, source.paging)
    return iter([http.get(url, params)])


def _by_number(http: HttpClient, url: str, params: dict[str, str], table: RestTable, paging: PagePaging) -> Iterator[Any]:
    """Until an empty page or the total: a short page is no sign of the end, since servers cap the size asked for."""
    size = {paging.size_param: str(paging.size)} if paging.size_param else {}
    number, got, previous = int(paging.first), 0, None
    while True:
        body = http.get(url, params | size | {paging.page_param: str(number)})
        records = _records(body, table.source.records)
        if not records and number > paging.first:
            return
        if records and records == previous:
            raise SourceError(
                f"the server sends the same page again for another '{paging.page_param}'. Check `paging` in the register"
            )
        yield body
        got += len(records)
        total = counted(dig(body, table.source.total, None)) if table.source.total else None
        if not records or (total is not None and got >= total):
            return
        number, previous = number + 1, records


def _by_cursor(http: HttpClient, url: str, params: dict[str, str], paging: CursorPaging) -> Iterator[Any]:
    seen: set[str] = set()
    body = http.get(url, params)
    yield body
    while cursor := text(dig(body, paging.path, None)):
        _once(cursor, seen)
        body = http.get(url, params | {paging.param: cursor})
        yield body


def _by_link(http: HttpClient, url: str, params: dict[str, str], paging: NextLinkPaging) -> Iterator[Any]:
    seen: set[str] = set()
    body = http.get(url, params)
    yield body
    while link := dig(body, paging.path, None):
        url = follow(url, str(link))
        _once(url, seen)
        body = http.get(url)
        yield body


def _once(mark: str, seen: set[str]) -> None:
    if mark in seen:
        raise SourceError("the server's pages go in a ring. Ask the vendor")
    seen.add(mark)
