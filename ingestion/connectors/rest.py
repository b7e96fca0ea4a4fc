"""REST: JSON over HTTP, paged by number, offset, cursor, link or not at all, as the register says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ingestion.connectors import arguments
from ingestion.connectors.base import NotThereError, ReadContext, SourceError, text
from ingestion.connectors.http import Answer, HttpClient, client
from ingestion.connectors.http_answers import check_status, counted, error_message, follow
from ingestion.connectors.parents import parameters_of, with_children
from ingestion.connectors.records import MISSING, Record, Records, dig, once, records_at
from ingestion.register.api import (
    CursorPaging,
    LinkHeaderPaging,
    NextLinkPaging,
    OffsetPaging,
    PagePaging,
    RestDeletions,
    RestSource,
    RestTable,
)
from ingestion.register.model import RestSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa


def read(system: RestSystem, table_name: str, table: RestTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the resource's records in Arrow tables of text."""
    source = table.source
    # The path as the register has it: filled in, it may hold a CPR number.
    records = Records(table, source.path, source.records, source.each, context, source.each_missing)
    with client(system.connection, system.limits, context) as http:
        yield from records.batches(_found(http, system, table_name, table, context, records))


def _found(
    http: HttpClient, system: RestSystem, table_name: str, table: RestTable, context: ReadContext, records: Records
) -> Iterator[Record]:
    source, total = table.source, None
    known = with_children(table_name, table, source.for_each, context)
    if source.deletions and context.since is not None and context.limit is None:
        _tell_deletions(http, system, table, source.deletions, context)
    for parameters in parameters_of(system, source.for_each, context, read):
        # Of one that has come since the last load, what is older is news too.
        is_new = known is not None and tuple(parameters.values()) not in known
        resource = _Resource(http, system, table, None if is_new else context.since, parameters)
        bodies, first = resource.bodies(), True
        while (body := _next(bodies, source)) is not None:
            if source.total and first and (said := counted(dig(body, source.total, None))) is not None:
                total = (total or 0) + said
            first = False
            yield from records.of(body, parameters)
            if total is not None:
                context.source_rows = total - records.left_out
            if records.enough:
                return


def _tell_deletions(http: HttpClient, system: RestSystem, table: RestTable, listed: RestDeletions, context: ReadContext) -> None:
    names = table.raw_names()
    asked = {"path": listed.path, "params": listed.params, "records": listed.records, "method": "get"}
    left_out = {"body": None, "each": None, "total": None, "deletions": None}
    feed = table.model_copy(update={"cursor": None, "source": table.source.model_copy(update={**asked, **left_out})})
    ordinal = 0
    for body in _Resource(http, system, feed, context.since, {}).bodies():
        for record in records_at(body, listed.records):
            ordinal += 1
            key = {names[column]: text(dig(record, listed.key.get(column, column), None)) for column in table.key}
            if None in key.values():
                context.reject(listed.path, ordinal, "slettet post uden nøgle", text(record) or "")
            else:
                context.delete(key)


def _next(bodies: Iterator[Any], source: RestSource) -> Any | None:
    try:
        return next(bodies, None)
    except NotThereError:
        if source.for_each is None or source.for_each.missing == "fail":
            raise
        return None


class _Resource:
    """One path of a table's: with `for_each` there is one for each set of parameters."""

    def __init__(
        self, http: HttpClient, system: RestSystem, table: RestTable, since: str | None, parameters: dict[str, str]
    ) -> None:
        source = self._source = table.source
        known = arguments.names(since, parameters)
        path = arguments.fill(source.path, {**known, **{name: quote(value, safe="") for name, value in parameters.items()}})
        self._http = http
        self._url = f"{resolve(system.connection.url).rstrip('/')}/{path.lstrip('/')}"
        self._params = arguments.fill_texts(source.params, known)
        self._body = None if source.body is None else arguments.fill(source.body, known)
        if table.cursor and table.cursor.param and since is not None:
            self._add(table.cursor.param, since)

    def _add(self, name: str, value: str) -> None:
        if self._body is None:
            self._params[name] = value
        else:
            self._body[name] = value

    def bodies(self) -> Iterator[Any]:
        """Yield the answers, page by page.

        Raises:
            SourceError: one has the very records of the one before, or of the first: the server doesn't heed what is asked.
        """
        first: list[Any] = []
        previous: list[Any] = []
        for body in self._pages():
            records = records_at(body, self._source.records)
            if records and records in (first, previous):
                raise SourceError("the server sends the same page again. Check `paging` in the register, or give the `total`")
            first, previous = first or records, records
            yield body

    def _pages(self) -> Iterator[Any]:
        paging = self._source.paging
        if isinstance(paging, PagePaging):
            size = {paging.size_param: paging.size} if paging.size_param else {}
            return self._by_number(paging.page_param, int(paging.first), size, 1)
        if isinstance(paging, OffsetPaging):
            size = {paging.limit_param: paging.limit} if paging.limit_param else {}
            return self._by_number(paging.offset_param, 0, size, None)
        if isinstance(paging, CursorPaging):
            return self._by_cursor(paging)
        if isinstance(paging, (NextLinkPaging, LinkHeaderPaging)):
            return self._by_link(paging)
        return self._all()

    def _ask(self, paging: dict[str, Any], url: str | None = None) -> Answer:
        """Return a page. A `url` from a link holds all its parameters itself."""
        if self._body is None:
            params = {} if url else self._params | {name: str(value) for name, value in paging.items()}
            answer = self._http.ask(self._source.method.upper(), url or self._url, params)
        else:
            answer = self._http.ask("POST", url or self._url, {} if url else self._params, self._body | paging)
        self._check_status(answer.body)
        return answer

    def _check_status(self, body: Any) -> None:
        status = self._source.status
        if status is None:
            told = isinstance(body, dict) and (body.get("error") or body.get("errors"))
            if told and not dig(body, self._source.records, None):  # Taken for an empty page, it would end the table.
                raise SourceError(f"{self._source.path} answers: {error_message(body)}. Check the request, or ask the vendor")
            return
        said = text(dig(body, status.message, None)) if status.message else None
        check_status(status, self._source.path, text(dig(body, status.path, None)), said)

    def _all(self) -> Iterator[Any]:
        answer = self._ask({})
        if answer.partial or answer.next_link:
            raise SourceError("the server says that there are more pages. Correct `paging` in the register, which says `single`")
        yield answer.body

    def _by_number(self, name: str, first: int, size: dict[str, int], step: int | None) -> Iterator[Any]:
        """Until an empty page or the total: a short page is no sign of the end, since servers cap the size asked for.

        Without a `step` the number goes on by the rows that came. When the total has come with a full page, one more is asked
        for: many a count is of the page, and the first page would be taken for all.
        """
        number, got, total = first, 0, None
        previous: list[Any] = []
        while True:
            reached = total is not None and got >= total
            try:
                body = self._ask(size | {name: number}).body
            except SourceError:
                if reached:
                    return  # Behind the end many a server says that there is no such page.
                raise
            records = records_at(body, self._source.records)
            if not records and number > first:
                return
            total = counted(dig(body, self._source.total, None)) if self._source.total else None
            if reached and (total is None or got >= total):
                if records == previous:
                    return  # The last page again, as some servers have it behind the end.
                raise SourceError(
                    f"more records come than '{self._source.total}' says: it counts those of a page. Correct `total`"
                )
            yield body
            got += len(records)
            if not records or (total is not None and got >= total and len(records) not in size.values()):
                return
            number, previous = number + (step or len(records)), records

    def _by_cursor(self, paging: CursorPaging) -> Iterator[Any]:
        seen: set[str] = set()
        body, asked = self._ask({}).body, None
        if dig(body, paging.path) is MISSING:
            self._refuse_other(body, _LEADING_CURSOR, paging.path)
        yield body
        while cursor := text(dig(body, paging.path, None)):
            if cursor == asked and not records_at(body, self._source.records):
                return  # Some always name one, from which to go on another day.
            once(cursor, seen)
            body, asked = self._ask({paging.param: cursor}).body, cursor
            yield body

    def _by_link(self, paging: NextLinkPaging | LinkHeaderPaging) -> Iterator[Any]:
        seen: set[str] = set()
        answer = self._ask({})
        if isinstance(paging, NextLinkPaging) and dig(answer.body, paging.path) is MISSING:
            self._refuse_other(answer.body, _LEADING_LINK, paging.path)
        yield answer.body
        url = self._url
        while link := answer.next_link if isinstance(paging, LinkHeaderPaging) else dig(answer.body, paging.path, None):
            url = follow(url, link)
            once(url, seen)
            answer = self._ask({}, url)
            yield answer.body

    def _refuse_other(self, body: Any, leading: re.Pattern[str], path: str) -> None:
        """Raise if beside the records of the first page something else than what the register names leads to the next."""
        records = dig(body, self._source.records, None)
        other = next((place for place, value in _texts(body, records) if leading.fullmatch(f"{place}={value}")), None)
        if other is not None:
            raise SourceError(
                f"the answer has no '{path}', but '{other}' tells of a next page. Correct `paging.path`, or set"
                " `paging: {type: single}` if there is no next page"
            )


_MORE = r"(.*\.)?has_?(next|more)(_?page)?=true"
_LEADING_LINK = re.compile(rf"(?is)[^=]*(next|n(æ|ae)ste)[^=]*=(https?://|[/?]).*|{_MORE}")
_LEADING_CURSOR = re.compile(rf"(?is)[^=]*(next[^=]*(cursor|token|page|mark|key)|continuation)[^=]*=(?!true$).+|{_MORE}")


def _texts(node: Any, but: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted path of each text, number and `True` in `node`, and what it is, except below `but`."""
    if node is but:
        return
    named: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        named = node.items()
    elif isinstance(node, list):  # Links may stand in a list, each with its relation.
        named = ((inner.get("rel", number) if isinstance(inner, dict) else number, inner) for number, inner in enumerate(node))
    elif node:
        yield place, str(node)
    for name, inner in named:
        yield from _texts(inner, but, f"{place}.{name}" if place else str(name))
