"""GraphQL: one query, asked page by page with a cursor among its variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ingestion.connectors import arguments
from ingestion.connectors.base import ReadContext, SourceError, text
from ingestion.connectors.http import HttpClient, client
from ingestion.connectors.http_answers import counted
from ingestion.connectors.records import Record, Records, dig, once
from ingestion.register.api import GraphQLTable
from ingestion.register.model import GraphQLSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa


def read(system: GraphQLSystem, table_name: str, table: GraphQLTable, context: ReadContext) -> Iterator[pa.Table]:
    """Yield the query's records in Arrow tables of text."""
    records = Records(table, table_name, table.source.records, table.source.each, context, table.source.each_missing)
    with client(system.connection, system.limits, context) as http:
        yield from records.batches(_found(http, system, table, context, records))


def _found(
    http: HttpClient, system: GraphQLSystem, table: GraphQLTable, context: ReadContext, records: Records
) -> Iterator[Record]:
    source, total = table.source, None
    for data in _pages(http, resolve(system.connection.url), table, context):
        if source.total and total is None:
            total = counted(dig(data, source.total, None))
        yield from records.of(data)
        if total is not None:
            context.source_rows = total - records.left_out
        if records.enough:
            return


def _pages(http: HttpClient, url: str, table: GraphQLTable, context: ReadContext) -> Iterator[Any]:
    source, paging = table.source, table.source.paging
    variables = arguments.fill(source.variables, arguments.names(context.since, {}))
    seen: set[str] = set()
    while True:
        data = _data(http.ask("POST", url, body={"query": source.query, "variables": variables}).body)
        yield data
        if paging is None:
            return
        more = text(dig(data, paging.more, None)) if paging.more else "true"
        if more not in ("true", "false"):
            raise SourceError(f"the answer does not say at '{paging.more}' whether there are more pages. Ask the vendor")
        if more == "false":
            return
        cursor = text(dig(data, paging.cursor, None))
        if cursor is None:
            if paging.more:
                raise SourceError(f"there are more pages, but no cursor at '{paging.cursor}'. Check `paging` in the register")
            return
        once(cursor, seen)
        variables = variables | {paging.variable: cursor}


def _data(body: Any) -> Any:
    """Return `data`, which must be whole: with errors, what came may lack anything."""
    errors = body.get("errors") if isinstance(body, dict) else None
    if errors:
        first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {"message": text(errors)}
        path = ".".join(str(step) for step in first.get("path") or [])
        said = " ".join(str(first.get("message")).split())[:300].rstrip(".")
        raise SourceError(f"the server answers: {said}{f' (at {path})' if path else ''}. Check `query` in the register")
    if not isinstance(body, dict) or body.get("data") is None:
        raise SourceError("the answer has no `data`. Check the address: is it a GraphQL endpoint?")
    return body["data"]
