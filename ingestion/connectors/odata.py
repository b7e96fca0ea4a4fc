"""OData: V2 (SAP Gateway), V4, and the plain sort that has a `value` array and `$filter` and no more.

Paging follows the server's own links, never a guess: dlt's automatic detection read 2 of 6 rows, with no error, from V2 and V4.
There is no `$select`, so a field that the source adds is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from ingestion.connectors import odata_delta, odata_metadata
from ingestion.connectors.base import (
    GoneError,
    NotThereError,
    RawNames,
    ReadContext,
    RefusedError,
    SourceError,
    by_name,
    column,
    gather,
    placed,
    text,
)
from ingestion.connectors.http import HttpClient, client
from ingestion.connectors.http_answers import counted, error_message, follow
from ingestion.connectors.odata_delta import deleted_key, is_deleted
from ingestion.connectors.records import MISSING, dig
from ingestion.register.api import ODataTable
from ingestion.register.model import ODataSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa

_MILLISECONDS = re.compile(r"^/Date\((-?\d+)([+-]\d+)?\)/$")
_DATE_TYPES = {"date", "timestamp", "odata_date", "odata_timestamp"}
_CUT_OFF = "the service has more of what $expand asks for than it sends. Read that as a table of its own"
_NUMBER_TYPES = {"integer", "decimal"}


@dataclass(frozen=True)
class Page:
    rows: list[Any]
    next_link: str | None
    count: int | None
    delta_link: str | None = None


def read(system: ODataSystem, table_name: str, table: ODataTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the entity set in Arrow tables of text."""
    connection = system.connection
    url = resolve(connection.url).rstrip("/")
    params = {name: resolve(value) for name, value in connection.params.items()}
    with client(connection, system.limits, context) as http:
        if connection.metadata and connection.dialect != "plain":
            odata_metadata.check(http, url, params, connection.dialect, table)
        if connection.dialect == "plain" and table.source.count and context.limit is None:
            context.source_rows = _plain_count(http, url, params, table, context)
        if table.source.delta:
            pages = _changes(http, connection.dialect, url, params, table, context)
        else:
            pages = all_pages(http, connection.dialect, url, params, table, context)
        yield from gather(_found(pages, table, context), partial(_to_table, RawNames(), table))


def _plain_count(http: HttpClient, url: str, params: dict[str, str], table: ODataTable, context: ReadContext) -> int | None:
    """Ask for the number of rows; near-OData need not have an answer."""
    condition = {name: value for name, value in query_of("plain", table, context).items() if name == "$filter"}
    response = http.send("GET", f"{url}/{table.source.entity_set}/$count", {"Accept": "text/plain"}, params=params | condition)
    said = response.text.strip().removeprefix("\ufeff") if response.status_code == 200 else ""
    return int(said) if said.isdigit() else None


def _found(pages: Iterator[Page], table: ODataTable, context: ReadContext) -> Iterator[tuple[int, dict[str, Any]]]:
    ordinal = 0
    for page in pages:
        if page.count is not None and context.source_rows is None:
            context.source_rows = page.count
        for record in page.rows:
            if context.limit is not None and ordinal >= context.limit:
                return
            ordinal += 1
            if not isinstance(record, dict):
                context.reject(table.source.entity_set, ordinal, "posten er ikke et objekt", text(record) or "")
                continue
            if table.source.delta and is_deleted(record):
                if (key := deleted_key(record, table)) is None:
                    context.reject(table.source.entity_set, ordinal, "slettet post uden nøgle", text(record) or "")
                else:
                    context.delete(key, ordinal)
                continue
            yield ordinal, record


def _to_table(names: RawNames, table: ODataTable, found: list[tuple[int, dict[str, Any]]]) -> pa.Table:
    records = [record for _, record in found]
    paths = {name: spec.path for name, spec in table.columns.items() if spec.path}
    opened, columns = {path.split(".")[0] for path in paths.values()}, {}
    for name, path in paths.items():
        inside = [dig(record, path) for record in records]
        if any(value is not MISSING for value in inside):
            columns[names[name]] = column([None if value is MISSING else value for value in inside], _text)
    for name, given in by_name(records).items():
        if name.endswith(("@odata.nextLink", "@nextLink")):
            raise SourceError(_CUT_OFF)
        if name == "__metadata" or "@" in name or name.startswith("odata.") or name in opened:
            continue
        values = column(given, _text)
        # A link to other entities is no column, wherever nothing else stands in its place.
        if values.null_count < len(records) or not all(_is_deferred(record[name]) for record in records if name in record):
            columns[names[f"{name} felt" if name in paths else name]] = values
    return placed(columns, table.source.entity_set, [ordinal for ordinal, _ in found])


def _text(value: Any) -> str | None:
    if isinstance(value, dict) and value.get("__next"):
        raise SourceError(_CUT_OFF)
    return None if _is_deferred(value) else text(value)


def _is_deferred(value: Any) -> bool:
    return isinstance(value, dict) and "__deferred" in value


def all_pages(
    http: HttpClient, dialect: str, service: str, fixed: dict[str, str], table: ODataTable, context: ReadContext
) -> Iterator[Page]:
    """Follow the server's links; where the client does the paging (`page_size` in V2 and plain), go on by `$skip`."""
    size = table.source.page_size
    url = f"{service}/{table.source.entity_set}"
    params = fixed | query_of(dialect, table, context)
    headers = preferences(dialect, table)
    skips = size is not None and dialect != "v4"
    read_so_far, previous, first = 0, None, None
    while True:
        window = {"$top": str(size), "$skip": str(read_so_far)} if skips else {}
        got = 0
        for page in linked_pages(http, dialect, url, params | window, headers):
            if skips and page.rows and page.rows == previous:
                raise SourceError("the server sends the same page again for another $skip. Remove source.page_size")
            previous, first = page.rows, first or page.rows
            got += len(page.rows)
            yield page
        read_so_far += got
        # A page shorter than asked for is no sign of the end, since servers have limits of their own; more than asked for
        # means that the server ignores $top and has sent everything.
        if not skips or got == 0 or got > (size or 0):
            break
    if dialect == "plain" and size is None and first and context.source_rows is None and context.limit is None:
        _look_behind(http, url, params | {"$skip": str(read_so_far)}, first)


def _look_behind(http: HttpClient, url: str, params: dict[str, str], first: list[Any]) -> None:
    """Raise if more rows stand behind those that came. Near-OData need neither count them nor say that it cuts them off."""
    try:
        more = _page("plain", http.get(url, params)).rows
    except SourceError:
        return  # It knows no $skip.
    if more and more[0] not in first:  # Which is what comes where $skip is passed over.
        raise SourceError(f"the service sends {params['$skip']} rows, and has more. Set source.page_size in the register")


def _changes(
    http: HttpClient, dialect: str, service: str, fixed: dict[str, str], table: ODataTable, context: ReadContext
) -> Iterator[Page]:
    """What has changed since the link of the last load, or everything; and keep the link for the next."""
    listed = dialect == "v2" and context.limit is None
    before = odata_delta.tokens(http, service, fixed, table) if listed else {}
    for page, current in _changed_or_all(http, dialect, service, fixed, table, context):
        yield page
        if page.delta_link:  # Kept relative to the service, whose address may change.
            context.next_token = follow(current, page.delta_link).removeprefix(f"{service}/")
    if context.next_token is None and listed:
        token = odata_delta.token_of_this_read(before, odata_delta.tokens(http, service, fixed, table))
        context.next_token = f"{table.source.entity_set}?!deltatoken='{token}'" if token else None
    if context.next_token is None and context.limit is None:
        raise SourceError("the service gives no delta link. Ask the vendor to switch on delta queries, or use a `cursor`")


def _changed_or_all(
    http: HttpClient, dialect: str, service: str, fixed: dict[str, str], table: ODataTable, context: ReadContext
) -> Iterator[tuple[Page, str]]:
    """Yield pages, and what their links are relative to."""
    if context.token is not None:
        url = follow(f"{service}/", context.token)
        in_link = {name for name, _ in parse_qsl(urlsplit(url).query)}
        given = {name: value for name, value in fixed.items() if name not in in_link}
        pages = linked_pages(http, dialect, url, given, {})
        try:
            first = next(pages)
        except (GoneError, NotThereError, RefusedError):
            # The service has forgotten the link, which SAP tells by 400 or 500 (DELTA_UNAVAILABLE): everything is read anew.
            context.complete = True
        else:
            # A count here is of changes, or of anything.
            yield from ((replace(page, count=None), url) for page in chain([first], pages))
            return
    yield from ((page, f"{service}/") for page in all_pages(http, dialect, service, fixed, table, context))


def preferences(dialect: str, table: ODataTable) -> dict[str, str]:
    size = table.source.page_size
    wanted = ["odata.track-changes"] if table.source.delta else []
    wanted += [f"odata.maxpagesize={size}"] if size and dialect == "v4" else []
    return {"Prefer": ", ".join(wanted)} if wanted else {}


def linked_pages(http: HttpClient, dialect: str, url: str, params: dict[str, str], headers: dict[str, str]) -> Iterator[Page]:
    seen: set[str] = set()
    page = _page(dialect, http.get(url, params, headers))
    yield page
    while page.next_link:
        url, before = follow(url, page.next_link), page.rows
        page = _page(dialect, http.get(url, headers=headers))
        if url in seen or (page.rows and page.rows == before):
            raise SourceError("the server's next-page links go in a ring. Ask the vendor")
        seen.add(url)
        yield page


def _page(dialect: str, body: Any) -> Page:
    if isinstance(body, dict) and body.get("error"):  # After a good status: it came when some rows had been sent.
        raise SourceError(f"the server answers: {error_message(body)}. Try later, then ask the vendor")
    if dialect == "v2":
        inner = body.get("d") if isinstance(body, dict) else None
        if isinstance(inner, list):  # Without paging or count, V2 may leave out `results`.
            return Page(inner, None, None)
        if isinstance(inner, dict) and isinstance(inner.get("results"), list):
            return Page(inner["results"], inner.get("__next"), counted(inner.get("__count")), inner.get("__delta"))
        raise SourceError("the answer has no d.results. Check `dialect` and `entity_set` in the register")
    if isinstance(body, dict) and isinstance(body.get("value"), list):

        def said(name: str) -> Any:  # 4.01 drops the prefix, V3 the sign.
            return next((body[form] for form in (f"@odata.{name}", f"@{name}", f"odata.{name}") if form in body), None)

        return Page(body["value"], said("nextLink"), counted(said("count")), said("deltaLink"))
    raise SourceError("the answer has no `value` array. Check `dialect` and `entity_set` in the register")


def query_of(dialect: str, table: ODataTable, context: ReadContext) -> dict[str, str]:
    query: dict[str, str] = {}
    if dialect == "v2":
        if table.source.count:
            query["$inlinecount"] = "allpages"
        if table.source.page_size:
            query["$orderby"] = ",".join(table.key)  # Pages cut by $skip only fit together in a fixed order.
    elif dialect == "v4" and table.source.count:
        query["$count"] = "true"
    conditions = [f"({table.source.filter})"] if table.source.filter else []
    conditions += _cursor_condition(dialect, table, context.since)
    if conditions:
        query["$filter"] = " and ".join(conditions)
    return query


def _cursor_condition(dialect: str, table: ODataTable, since: str | None) -> list[str]:
    """`ge`, not `gt`: a row may get the very time that was highest at the last load. Merging by key makes it harmless."""
    if table.cursor is None:
        return []
    column = table.cursor.column
    if since is None:
        return [f"{column} ne null"] if table.cursor.on_missing == "exclude" else []
    later = f"{column} ge {literal(dialect, table.columns[column].type, since)}"
    # Rows without a cursor come along unless they are meant to stay out: landing sets them aside where they can be seen.
    return [later] if table.cursor.on_missing == "exclude" else [f"({later} or {column} eq null)"]


def literal(dialect: str, column_type: str, value: str) -> str:
    """Return `value`, written as the source wrote it, as a literal of the dialect's `$filter`."""
    if column_type in _NUMBER_TYPES:
        return f"{value}m" if dialect == "v2" and column_type == "decimal" else value
    if column_type == "uuid":
        return f"guid'{value}'" if dialect == "v2" else value
    if column_type not in _DATE_TYPES:
        return "'" + value.replace("'", "''") + "'"
    found = _MILLISECONDS.match(value)
    moment = _from_milliseconds(int(found[1])) if found else value
    if dialect != "v2":
        if column_type in ("date", "odata_date"):
            return moment[:10]
        return moment if dialect == "plain" or _has_zone(moment) else f"{moment}Z"
    if (found and found[2]) or (not found and _has_zone(moment)):  # With an offset it is an Edm.DateTimeOffset.
        return f"datetimeoffset'{moment if _has_zone(moment) else moment + 'Z'}'"
    return f"datetime'{moment if 'T' in moment else moment + 'T00:00:00'}'"


def _from_milliseconds(milliseconds: int) -> str:
    # fromtimestamp() fails before 1970 on Windows and after 2038 on some systems; SAP's 9999-12-31 must pass.
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds")


def _has_zone(moment: str) -> bool:
    return re.search(r"T.*(Z|[+-]\d\d:?\d\d)$", moment) is not None
