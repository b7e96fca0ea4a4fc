"""Relational databases through SQLAlchemy, and PostgreSQL through DuckDB's own extension, several times faster.

Both read and count in one transaction, so that the count is of the very rows that are read. Rows without a cursor value come
along unless the register leaves them out: landing sets them aside where they can be seen.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.connectors import duck
from ingestion.connectors.base import BATCH_ROWS, SOURCE_REF, SOURCE_ROW, RawNames, ReadContext, SourceError
from ingestion.naming import fold
from ingestion.register.basics import Limits
from ingestion.register.database import SqlTable
from ingestion.register.model import SqlSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

_SNAPSHOT = {"postgresql": "REPEATABLE READ", "mysql": "REPEATABLE READ", "mariadb": "REPEATABLE READ", "oracle": "SERIALIZABLE"}
"""Isolation in which two statements see the same rows. SQL Server's SNAPSHOT has to be allowed by the database's owner first."""


def read(system: SqlSystem, table_name: str, table: SqlTable, context: ReadContext) -> Iterator[pa.Table | Path]:
    """Yield the table in native types: Arrow tables or, from PostgreSQL, one Parquet file."""
    import sqlalchemy as sa

    try:
        url = sa.make_url(resolve(system.connection.url))
        if system.connection.password is not None:
            url = url.set(password=resolve(system.connection.password))
        with _connected(url, system.limits) as connection:
            source = _describe(connection, table)
            if connection.dialect.name != "postgresql":
                yield from _read_rows(connection, source, context)
                return
        yield from _read_postgres(url, system.limits, source, context)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise SourceError(_what_happened(error)) from None


# --- What there is to read ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """A table or query, as the database describes it."""

    ref: str
    relation: str
    """SQL after FROM."""
    columns: dict[str, str]
    """Name in the database → raw name."""
    selected: list[str]
    """SQL per column."""
    types: dict[str, Any]
    """Name in the database → SQLAlchemy type, where known."""
    table: SqlTable

    def condition(self, quote: Any, since: str | None) -> str:
        """SQL for the rows to read.

        `>=`, not `>`: a row may get the very time that was highest at the last load. Merging by key makes it harmless.
        """
        cursor = self.table.cursor
        if cursor is None:
            return ""
        column = quote(self._cursor_name(cursor.column))
        if cursor.on_missing == "exclude":
            return f" WHERE {column} >= {since}" if since else f" WHERE {column} IS NOT NULL"
        return f" WHERE {column} >= {since} OR {column} IS NULL" if since else ""

    def _cursor_name(self, wanted: str) -> str:
        """The cursor's name as the database spells it, which may differ in case from the register's."""
        found = next((name for name, raw in self.columns.items() if raw == fold(wanted)), None)
        if found is None:
            raise SourceError(f"the cursor '{wanted}' is not among the columns. Ask the vendor, or correct `cursor`")
        return found


def _describe(connection: sa.Connection, table: SqlTable) -> _Source:
    """Ask the database for the columns; all of them, so that new ones are seen."""
    import sqlalchemy as sa

    quote = connection.dialect.identifier_preparer.quote_identifier
    source, types = table.source, {}
    if source.table is not None:
        schema, _, name = source.table.rpartition(".")
        relation = ".".join(quote(part) for part in (schema, name) if part)
        types = {column["name"]: column["type"] for column in sa.inspect(connection).get_columns(name, schema or None)}
        names, numbers = list(types), {}
    else:
        relation = f"({(source.query or '').strip().rstrip(';')}) q"
        names = []
    if connection.dialect.name == "postgresql" or not names:
        result = connection.execute(sa.text(f"SELECT * FROM {_escaped(relation)} WHERE 1 = 0"))
        described = result.cursor.description if result.cursor is not None else []
        names = [str(column[0]) for column in described]
        numbers = {str(column[0]): column for column in described}
    raw = RawNames()
    columns = {name: raw(name) for name in names}
    postgres = connection.dialect.name == "postgresql"
    selected = [_postgres_column(quote(name), numbers[name]) if postgres else quote(name) for name in names]
    return _Source(source.table or "query", relation, columns, selected, types, table)


def _escaped(sql: str) -> str:
    """SQLAlchemy takes `:name` in a text for a parameter."""
    return sql.replace(":", "\\:")


def _what_happened(error: Exception) -> str:
    """One line from a driver's error, without its SQL, its parameters and its links."""
    import sqlalchemy as sa

    if isinstance(error, (ImportError, sa.exc.NoSuchModuleError)):
        return f"no driver for this database is installed ({error}). Install it, or correct connection.url"
    if isinstance(error, sa.exc.NoSuchTableError):
        return f"there is no table '{error}', or no right to see it. Correct source.table, or ask the vendor"
    if isinstance(error, sa.exc.ArgumentError):
        return "connection.url is not a database address. It looks like postgresql+psycopg://user@host:5432/database"
    said = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())[:300].rstrip(".")
    return f"the database answers: {said}. {_advice(said.lower())}"


def _advice(said: str) -> str:
    advice = {
        "password": "Check user name and password",
        "authentication": "Check user name and password",
        "timeout": "Try later, or raise the limits",
        "resolve": "Check the host in connection.url",
        "name or service": "Check the host in connection.url",
        "refused": "Check host and port, and whether the database is up",
        "permission": "Ask the vendor for read access",
        "does not exist": "Correct the register, or ask the vendor what changed",
        "no such": "Correct the register, or ask the vendor what changed",
    }
    return next((text for mark, text in advice.items() if mark in said), "Ask the database's owner")


# --- Any database ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _connected(url: sa.URL, limits: Limits) -> Iterator[sa.Connection]:
    """A connection whose statements all see the same rows."""
    import sqlalchemy as sa

    dialect = url.get_backend_name()
    arguments = _postgres_limits(limits) if dialect == "postgresql" else {}
    options = {"isolation_level": _SNAPSHOT[dialect]} if dialect in _SNAPSHOT else {}
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments, hide_parameters=True, execution_options=options)
    try:
        with engine.connect() as connection:
            if dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")  # Python's driver begins none for reading.
            yield connection
    finally:
        engine.dispose()


def _read_rows(connection: sa.Connection, source: _Source, context: ReadContext) -> Iterator[pa.Table]:
    import sqlalchemy as sa

    quote = connection.dialect.identifier_preparer.quote_identifier
    cursor = source.table.cursor
    bound = {}
    if cursor is not None and context.since is not None:
        bound["since"] = _typed(source.table.columns[cursor.column].type, context.since)
    where = source.condition(quote, ":since" if bound else None)
    relation = f"{_escaped(source.relation)}{where}"
    context.source_rows = int(connection.execute(sa.text(f"SELECT count(*) FROM {relation}"), bound).scalar_one())
    statement = sa.text(f"SELECT {_escaped(', '.join(source.selected))} FROM {relation}")
    if source.types:
        # With types, SQLAlchemy turns what SQLite keeps as text into dates and decimals.
        statement = statement.columns(*(sa.column(name, source.types[name]) for name in source.columns))  # type: ignore[assignment]
    result = connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS).execute(statement, bound)
    kinds: dict[str, pa.DataType] = {}
    done = 0
    size = min(BATCH_ROWS, context.limit or BATCH_ROWS)
    while (context.limit is None or done < context.limit) and (rows := result.fetchmany(size)):
        yield _to_arrow(source, [tuple(row) for row in rows], kinds, done, context)
        done += len(rows)


def _typed(column_type: str, value: str) -> object:
    """The cursor's last value as the driver wants it."""
    if column_type == "timestamp":
        return datetime.fromisoformat(value)
    if column_type == "date":
        return date.fromisoformat(value[:10])
    return int(value) if column_type == "integer" else value


def _to_arrow(
    source: _Source, rows: Sequence[tuple[Any, ...]], kinds: dict[str, pa.DataType], done: int, context: ReadContext
) -> pa.Table:
    """Rows as Arrow. A column keeps the type it has in the first batch; a row with a value that doesn't fit is set aside."""
    import pyarrow as pa

    def kind_of(name: str, position: int) -> pa.DataType:
        if name not in kinds:
            kinds[name] = _kind(source.types.get(name), [row[position] for row in rows])
        return kinds[name]

    schema = [(raw, kind_of(name, position)) for position, (name, raw) in enumerate(source.columns.items())]
    numbered = list(enumerate(rows, start=done + 1))
    try:
        return _table(source, schema, numbered)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError, ValueError):
        sound = []
        for number, row in numbered:
            try:
                _table(source, schema, [(number, row)])
                sound.append((number, row))
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError, ValueError):
                named = dict(zip(source.columns.values(), row, strict=True))
                context.reject(
                    source.ref, number, "værdi passer ikke til kolonnens type", json.dumps(named, ensure_ascii=False, default=str)
                )
        return _table(source, schema, sound)


def _table(source: _Source, schema: list[tuple[str, pa.DataType]], numbered: list[tuple[int, tuple[Any, ...]]]) -> pa.Table:
    import pyarrow as pa

    arrays = {
        raw: pa.array([_fitted(row[position], kind) for _, row in numbered], kind) for position, (raw, kind) in enumerate(schema)
    }
    arrays[SOURCE_REF] = pa.array([source.ref] * len(numbered), pa.string())
    arrays[SOURCE_ROW] = pa.array([number for number, _ in numbered], pa.int64())
    return pa.table(arrays)


def _fitted(value: Any, kind: pa.DataType) -> Any:
    import pyarrow as pa

    if value is None or not pa.types.is_string(kind):
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def _kind(declared: Any, values: list[Any]) -> pa.DataType:
    """The Arrow type for what the database declares or, for queries, for what the first rows hold.

    A naive timestamp stays naive: in Arrow with a zone it would be moved. A decimal of unknown scale stays text.
    """
    import pyarrow as pa
    import sqlalchemy as sa

    if isinstance(declared, sa.Float):
        return pa.float64()
    if isinstance(declared, sa.Numeric):
        return pa.string() if declared.scale is None else pa.decimal128(38, declared.scale)
    for known, kind in ((sa.Boolean, pa.bool_()), (sa.Integer, pa.int64()), (sa.Date, pa.date32())):
        if isinstance(declared, known):
            return kind
    if isinstance(declared, sa.DateTime):
        return pa.timestamp("us", tz="UTC" if declared.timezone else None)
    found = {type(value) for value in values if value is not None} if declared is None else set()
    zone = "UTC" if any(isinstance(value, datetime) and value.tzinfo for value in values) else None
    by_value = {
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        date: pa.date32(),
        datetime: pa.timestamp("us", tz=zone),
    }
    return by_value.get(next(iter(found)), pa.string()) if len(found) == 1 else pa.string()


# --- PostgreSQL --------------------------------------------------------------------------------------------------------------

_NUMERIC = 1700
_NATIVE = {16, 20, 21, 23, 25, 700, 701, 1042, 1043, 1082, 1114, 1184}
"""Type ids (pg_type.dat): bool, int8, int2, int4, text, float4, float8, bpchar, varchar, date, timestamp, timestamptz."""


def _postgres_column(quoted: str, described: Any) -> str:
    """Types that DuckDB has no like of come as text; a numeric without precision would otherwise come as a rounded float."""
    if described.type_code == _NUMERIC:
        native = described.precision is not None and described.precision <= 38 and 0 <= described.scale <= described.precision
    else:
        native = described.type_code in _NATIVE
    return quoted if native else f"{quoted}::text AS {quoted}"


def _postgres_limits(limits: Limits) -> dict[str, Any]:
    """For libpq: how long to wait for a connection, and for one statement."""
    return {"connect_timeout": limits.timeout_seconds, "options": f"-cstatement_timeout={limits.table_seconds}s"}


def _read_postgres(url: sa.URL, limits: Limits, source: _Source, context: ReadContext) -> Iterator[Path]:
    """Have DuckDB copy the rows into a Parquet file, inside one read-only REPEATABLE READ transaction (its default)."""
    import duckdb
    from duckdb_extensions import import_extension

    since = duck.literal(context.since) if context.since is not None else None
    where = source.condition(duck.identifier, since)
    limited = f" LIMIT {context.limit}" if context.limit is not None else ""
    rows = f"SELECT {', '.join(source.selected)} FROM {source.relation}{where}{limited}"
    columns = [f"{duck.identifier(name)} AS {duck.identifier(raw)}" for name, raw in source.columns.items()]
    with duck.connect(context) as connection:
        try:
            import_extension("postgres_scanner", con=connection)
            connection.execute("LOAD postgres_scanner")
            # The password goes in by a secret, since an error would quote the connection string.
            if url.password:
                connection.execute(f"CREATE SECRET source (TYPE postgres, PASSWORD {duck.literal(str(url.password))})")
            secret = ", SECRET source" if url.password else ""
            connection.execute(f"ATTACH {duck.literal(_conninfo(url, limits))} AS source (TYPE postgres, READ_ONLY{secret})")
            connection.execute("BEGIN")
            counted = connection.execute(
                f"FROM {_pass_through(f'SELECT count(*) AS n FROM {source.relation}{where}')}"
            ).fetchone()
            context.source_rows = counted[0] if counted else None
            path, _ = duck.copy_to_parquet(connection, context, _pass_through(rows), columns, source.ref, "row_number() OVER ()")
            connection.execute("COMMIT")
        except duckdb.Error as error:
            # Told to here, a rollback on a dead connection is an error; left to the destructor, it ends the whole process.
            with contextlib.suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            said = " ".join(str(error).split())[:300]
            raise SourceError(f"the database answers: {said}. {_advice(said.lower())}") from None
    yield path


def _pass_through(sql: str) -> str:
    """SQL that PostgreSQL itself runs, so that comparisons are its own and any query will do."""
    return f"postgres_query('source', {duck.literal(sql)})"


def _conninfo(url: sa.URL, limits: Limits) -> str:
    from psycopg.conninfo import make_conninfo

    given = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username}
    return make_conninfo(**{**_postgres_limits(limits), **{name: value for name, value in given.items() if value}, **url.query})
