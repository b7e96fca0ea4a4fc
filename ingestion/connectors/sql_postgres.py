"""PostgreSQL, read by DuckDB's own extension inside read-only REPEATABLE READ transactions (its default).

A large table goes straight into the work file: by way of a Parquet file it took 1.7 times as long. Its pages are shared out
to several connections: one sends its rows no faster than one thread of the server makes them.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.connectors import duck
from ingestion.connectors.base import ReadContext, SourceError
from ingestion.connectors.sql_ranges import conditions
from ingestion.connectors.sql_session import postgres_limits
from ingestion.connectors.sql_source import Source, advice
from ingestion.register.basics import Limits

if TYPE_CHECKING:
    import sqlalchemy as sa

_LEAST_PAGES = 1_000
"""Pages of 8 kB, for which a connection of its own is worth while."""
_WIDEST = 1_000
"""Bytes of a row. Each connection fills a row group of its own, 122,880 rows: with wider ones DuckDB's memory does not do, and
what it puts on disk meanwhile takes longer than one connection does."""
_IDLE = "idle_in_transaction_session_timeout"


def read_postgres(url: sa.URL, limits: Limits, source: Source, context: ReadContext) -> Iterator[Path | duck.Stored]:
    """Yield what DuckDB has written of the rows: a table in the work file, or a Parquet file for each range."""
    import duckdb

    with (
        duck.connect(context, extension="postgres_scanner") as connection,
        duck.in_own_threads(connection),
        duck.packed_fast(connection),
    ):
        try:
            # The password goes in by a secret, since an error would quote the connection string.
            if url.password:
                connection.execute(f"CREATE SECRET source (TYPE postgres, PASSWORD {duck.literal(str(url.password))})")
            secret = ", SECRET source" if url.password else ""
            connection.execute(f"ATTACH {duck.literal(_conninfo(url, limits))} AS source (TYPE postgres, READ_ONLY{secret})")
            connection.execute("BEGIN")
            kept = _keep(connection, source, limits, context)
            connection.execute("COMMIT")
        except Exception as error:
            _roll_back(connection)  # Or the database stays attached, and no other table of this load gets on.
            if not isinstance(error, duckdb.Error):
                raise
            if isinstance(error, duckdb.OutOfMemoryException):
                raise SourceError(duck.TOO_LITTLE) from None
            # What it was connected by comes before the reason, and is long.
            said = re.sub(r' at ".*?": ', ": ", " ".join(str(error).split()))[:300]
            raise SourceError(f"the database answers: {said}. {advice(said.lower())}") from None
        finally:
            connection.execute("DETACH DATABASE IF EXISTS source")
            connection.execute("DROP SECRET IF EXISTS source")
    yield from kept


def _keep(connection: duck.Connection, source: Source, limits: Limits, context: ReadContext) -> Sequence[Path | duck.Stored]:
    since = duck.literal(context.since) if context.since is not None else None
    where = source.condition(duck.identifier, since)
    relation = f"{source.relation}{where}"
    # As text: DuckDB makes a rounded number of a `numeric` without a scale.
    asked = ", ".join(f"({of})::text AS n{number}" for number, of in enumerate(source.totals(duck.identifier)))
    if context.limit is None:
        counted, *sums = _asked(connection, f"SELECT {asked} FROM {relation}")
        if _is_emptied(connection):  # We have waited for whoever did it: what there is now is whole.
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            counted, *sums = _asked(connection, f"SELECT {asked} FROM {relation}")
            if _is_emptied(connection):
                raise SourceError("the table is emptied and filled again and again while it is read. Load at another time")
        context.source_rows = int(str(counted))
        source.note(sums, context)
    large = context.incoming is not None and (context.source_rows or 0) >= context.incoming.least_rows
    into = context.incoming if large else None
    columns = [f"{duck.identifier(name)} AS {duck.identifier(raw)}" for name, raw in source.columns.items()]

    def select(within: str, ref: str) -> str:
        limited = f" LIMIT {context.limit}" if context.limit is not None else ""
        condition = f" {'AND' if where else 'WHERE'} {within}" if within else ""
        rows = _pass_through(f"SELECT {', '.join(source.selected)} FROM {relation}{condition}{limited}")
        return duck.select(columns, rows, context, ref, "row_number() OVER ()")

    ranges = source.table.source.ranges
    parts, connections = [""], limits.connections
    if ranges is not None and context.source_rows:
        connections = ranges.connections
        key = duck.identifier(source.name_of(ranges.column, "source.ranges"))
        least, most = _asked(connection, f"SELECT min({key}) AS least, max({key}) AS most FROM {relation}")
        parts = conditions(ranges, key, least, most, context.source_rows)
    elif into is not None and not where:
        parts = _pages(connection, source, connections, context.source_rows or 0)
    if len(parts) > 1:
        selects = [select(within, f"{source.ref}#{number}") for number, within in enumerate(parts, start=1)]
        return _in_parts(connection, connections, selects, select("false", source.ref), context, into)
    return [duck.keep(connection, context, select("", source.ref), into)]


def _is_emptied(connection: duck.Connection) -> bool:
    """Return whether a table that has been read got a new file after our snapshot was taken: TRUNCATE, DROP and ALTER TYPE put
    the rows there as they are for all later snapshots, and to ours the table looks empty.

    The snapshot knows the file that was, `pg_relation_filenode` the one that is.
    """
    (emptied,) = _asked(
        connection,
        "SELECT count(*) FILTER (WHERE c.oid IS NULL OR c.relfilenode <> pg_relation_filenode(c.oid)) AS emptied"
        " FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation"
        " WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND coalesce(c.relfilenode, 1) <> 0",
    )
    return emptied != 0


def _pages(connection: duck.Connection, source: Source, connections: int, rows: int) -> list[str]:
    """Return conditions that share out the pages of a plain table; within a snapshot each row stands on one, and stays there.

    PostgreSQL reads such a range without looking at the other pages since version 14.
    """
    if source.table.source.table is None or source.table.source.joined:
        return [""]
    (pages,) = _asked(
        connection,
        "SELECT coalesce(max(pg_relation_size(oid) / current_setting('block_size')::int), 0)::int AS pages"
        f" FROM pg_catalog.pg_class WHERE oid = {duck.literal(source.relation)}::regclass AND relkind = 'r'"
        f" AND pg_table_size(oid) < {_WIDEST * rows} AND current_setting('server_version_num')::int >= 140000",
    )
    step = int(str(pages)) // connections
    if connections == 1 or step < _LEAST_PAGES:
        return [""]
    starts = [f"'({number * step},0)'::tid" for number in range(1, connections)]
    between = [f"ctid >= {start} AND ctid < {end}" for start, end in itertools.pairwise(starts)]
    return [f"ctid < {starts[0]}", *between, f"ctid >= {starts[-1]}"]


def _in_parts(
    connection: duck.Connection,
    connections: int,
    selects: list[str],
    empty: str,
    context: ReadContext,
    into: duck.Incoming | None,
) -> Sequence[Path | duck.Stored]:
    """Read so many parts at once, each over a connection of its own that sees the same snapshot as the count did."""
    (snapshot,) = _asked(connection, "SELECT pg_export_snapshot() AS snapshot")
    # Those who read say nothing to the one that holds the snapshot, which many a server hangs up on after a while.
    _asked(connection, f"SELECT set_config(name, '0', true) AS held FROM pg_settings WHERE name = {duck.literal(_IDLE)}")
    sessions = [connection.cursor() for _ in selects]
    if into is not None:
        with connection.cursor() as session:
            duck.store(session, into, empty)

    failures: list[Exception] = []

    def read(number: int) -> Path | duck.Stored | None:
        session = sessions[number]
        if failures:
            return None
        try:
            session.execute("BEGIN")
            seen = duck.literal(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            session.execute(f"CALL postgres_execute('source', {seen})")
            kept = duck.keep(session, context, selects[number], into, number)
            session.execute("COMMIT")
        except Exception as error:
            failures.append(error)  # The first is the reason; those after it were interrupted for it.
            for other in sessions:
                other.interrupt()
            _roll_back(session)
            return None
        return kept

    with ThreadPoolExecutor(connections) as pool:
        kept = [part for part in pool.map(read, range(len(selects))) if part is not None]
    if failures:
        raise failures[0]
    stored = [part.rows for part in kept if isinstance(part, duck.Stored)]
    return [duck.Stored(sum(stored))] if into is not None else kept


def _roll_back(connection: duck.Connection) -> None:
    """Told to here, a rollback on a dead connection is an error; left to the destructor, it ends the whole process."""
    import duckdb

    with contextlib.suppress(duckdb.Error):
        connection.execute("ROLLBACK")


def _asked(connection: duck.Connection, sql: str) -> tuple[object, ...]:
    return connection.execute(f"FROM {_pass_through(sql)}").fetchone() or ()


def _pass_through(sql: str) -> str:
    """SQL that PostgreSQL itself runs, so that comparisons are its own and any query will do."""
    return f"postgres_query('source', {duck.literal(sql)})"


def _conninfo(url: sa.URL, limits: Limits) -> str:
    from psycopg.conninfo import make_conninfo

    given = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username}
    return make_conninfo(**{**postgres_limits(limits), **{name: value for name, value in given.items() if value}, **url.query})
