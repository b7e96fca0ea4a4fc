"""What there is to read in a database: the columns as it describes them, and what it says when it can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingestion.connectors import totals
from ingestion.connectors.base import RawNames, ReadContext, SourceError
from ingestion.naming import fold
from ingestion.register.database import SqlTable

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(frozen=True)
class Source:
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
    dialect: str

    def condition(self, quote: Any, since: str | None) -> str:
        """SQL for the rows to read.

        `>=`, not `>`: a row may get the very time that was highest at the last load. Merging by key makes it harmless.
        """
        cursor = self.table.cursor
        if cursor is None:
            return ""
        column = quote(self.name_of(cursor.column, "cursor"))
        if cursor.on_missing == "exclude":
            return f" WHERE {column} >= {since}" if since else f" WHERE {column} IS NOT NULL"
        return f" WHERE ({column} >= {since} OR {column} IS NULL)" if since else ""

    def totals(self, quote: Callable[[str], str]) -> list[str]:
        """SQL for the count of the rows and the declared sums."""
        names = [self.name_of(column, "source.sums") for column in self.table.source.sums]
        # A sum of `int` is an `int` in SQL Server, and overflows.
        return ["count(*)", *(f"sum(cast({quote(name)} as decimal(38, 4)))" for name in names)]

    def note(self, sums: Sequence[object], context: ReadContext) -> None:
        """Keep the sums that the database gave for those of `totals`; that of no rows is NULL."""
        for column, total in zip(self.table.source.sums, sums, strict=True):
            totals.add(column, Decimal(str(total or 0)).quantize(Decimal("0.0001")), context)

    def name_of(self, wanted: str, said_in: str) -> str:
        """A column's name as the database spells it, which may differ in case from the register's."""
        found = next((name for name, raw in self.columns.items() if raw == fold(wanted)), None)
        if found is None:
            raise SourceError(f"the {said_in} '{wanted}' is not among the columns. Ask the vendor, or correct `{said_in}`")
        return found


def describe(connection: sa.Connection, table: SqlTable) -> Source:
    """Ask the database for the columns; all of them, so that new ones are seen."""
    import sqlalchemy as sa

    quote, dialect = quoting(connection.dialect), connection.dialect.name
    source = table.source
    types: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    if source.table is not None:
        schema, _, name = source.table.rpartition(".")
        relation = ".".join(quote(part) for part in (schema, name) if part)
        types = {column["name"]: column["type"] for column in sa.inspect(connection).get_columns(name, schema or None)}
        if source.joined:
            relation = _with_joined(connection, relation, types, source.joined)
            types |= {name: sa.DateTime() for name in source.joined}
        names = list(types)
    else:
        relation = f"({(source.query or '').strip().rstrip(';')}\n) q"  # It may end in a comment.
        names = []
    if dialect == "postgresql" or not names:
        result = connection.execute(sa.text(f"SELECT * FROM {escaped(relation)} WHERE 1 = 0"))
        described = result.cursor.description if result.cursor is not None else []
        names = [str(column[0]) for column in described]
        numbers = {str(column[0]): column for column in described}
    raw = RawNames()
    columns = {name: raw[name] for name in names}
    selected = [_column(dialect, quote(name), types.get(name), numbers.get(name)) for name in names]
    return Source(source.table or "query", relation, columns, selected, types, table, dialect)


def quoting(dialect: sa.Dialect) -> Callable[[str], str]:
    """Return how to quote a name as SQLAlchemy tells it, for SQL that is given to it as text.

    It tells Oracle's capitals in small letters; and it doubles a `%` for the driver, in names and in text alike.
    """
    doubled = dialect.paramstyle in ("format", "pyformat")

    def quote(name: str) -> str:
        spelled = dialect.denormalize_name(name) if dialect.requires_name_normalize else name
        quoted = dialect.identifier_preparer.quote_identifier(spelled)
        return quoted.replace("%%", "%") if doubled else quoted

    return quote


_JOINED = {
    "postgresql": "{date} + {time}",
    "mysql": "timestamp({date}, {time})",
    "mariadb": "timestamp({date}, {time})",
    "mssql": "dateadd(second, datediff(second, 0, {time}), cast({date} as datetime2(0)))",
    "sqlite": "{date} || ' ' || {time}",
}
"""A moment from a day and a time of day. Oracle's DATE holds both already."""


def _with_joined(connection: sa.Connection, relation: str, types: dict[str, Any], joined: dict[str, tuple[str, str]]) -> str:
    """Return the table as a query that also has the moments whose days and times of day stand apart."""
    dialect, quote = connection.dialect.name, quoting(connection.dialect)
    if dialect not in _JOINED:
        raise SourceError(f"{dialect} has no `joined`. Put the two together in source.query")
    spelled = {fold(name): quote(name) for name in types}
    made = []
    for name, (day, time) in joined.items():
        if fold(day) not in spelled or fold(time) not in spelled:
            raise SourceError(f"'{day}' or '{time}' is not among the columns. Ask the vendor, or correct source.joined")
        expression = _JOINED[dialect].format(date=f"t.{spelled[fold(day)]}", time=f"t.{spelled[fold(time)]}")
        made.append(f"{expression} AS {quote(name)}")
    return f"(SELECT t.*, {', '.join(made)} FROM {relation} t) q"


def escaped(sql: str) -> str:
    """SQLAlchemy takes `:name` in a text for a parameter."""
    return sql.replace(":", "\\:")


def what_happened(error: Exception) -> str:
    """One line from a driver's error, without its SQL, its parameters and its links."""
    import sqlalchemy as sa

    if isinstance(error, (ImportError, sa.exc.NoSuchModuleError)):
        return f"no driver for this database is installed ({error}). Install it, or correct connection.url"
    if isinstance(error, sa.exc.NoSuchTableError):
        return f"there is no table '{error}', or no right to see it. Correct source.table, or ask the vendor"
    if isinstance(error, sa.exc.ArgumentError):
        return "connection.url is not a database address. It looks like postgresql+psycopg://user@host:5432/database"
    original = getattr(error, "orig", None) or type(error).__name__
    # The drivers of MariaDB and SQL Server give (number, text); the latter as bytes.
    given = original.args[-1] if isinstance(original, Exception) and len(original.args) == 2 else original
    given = given.decode(errors="replace") if isinstance(given, bytes) else given
    said = " ".join(str(given).split())[:300].rstrip(".")
    return f"the database answers: {said}. {advice(said.lower())}"


def advice(said: str) -> str:
    advice = {
        "certificate": "Ask the database's owner whether its certificate has expired, and whether it is the right host",
        "password": "Check user name and password",
        "authentication": "Check user name and password",
        "access denied": "Check user name and password",
        "login failed": "Check user name and password",
        "logon denied": "Check user name and password",
        "too many": "Give it fewer `limits.connections`, or ask the database's owner for more",
        "connection slots": "Give it fewer `limits.connections`, or ask the database's owner for more",
        "snapshot": "Set `limits.connections: 1`, if a balancer leads each connection to another server",
        "timeout": "Try later, or raise the limits",
        "resolve": "Check the host in connection.url",
        "name or service": "Check the host in connection.url",
        "refused": "Check host and port, and whether the database is up",
        "unable to open": "Check the path in connection.url, and the right to read it",
        "permission": "Ask the vendor for read access",
        "unknown database": "Check the database's name in connection.url",
        "unknown column": "Correct the register, or ask the vendor what changed",
        "invalid column": "Correct the register, or ask the vendor what changed",
        "invalid object": "Correct the register, or ask the vendor what changed",
        "invalid identifier": "Correct the register, or ask the vendor what changed",
        "doesn't exist": "Correct the register, or ask the vendor what changed",
        "does not exist": "Correct the register, or ask the vendor what changed",
        "no such": "Correct the register, or ask the vendor what changed",
    }
    return next((text for mark, text in advice.items() if mark in said), "Ask the database's owner")


_FLOAT = 4
"""Type code of MariaDB's and MySQL's FLOAT."""
_ANY_SCALE = 31


def _column(dialect: str, quoted: str, declared: Any, described: Any) -> str:
    """SQL for a column whose values would come otherwise than they are stored, or just its name."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    if dialect == "postgresql":
        return _postgres_column(quoted, described)
    if dialect in ("mysql", "mariadb"):
        single = isinstance(declared, mysql.FLOAT) and declared.scale is None
        if single or (described is not None and (described[1], described[5]) == (_FLOAT, _ANY_SCALE)):
            return f"{quoted} + 0e0 AS {quoted}"  # As itself it is written with six digits: 1234567.89 came as 1234570.
    if dialect == "oracle" and isinstance(declared, sa.DateTime) and declared.timezone:
        return f"SYS_EXTRACT_UTC({quoted}) AS {quoted}"  # The driver drops the zone, and what is left was taken for UTC.
    return quoted


_NUMERIC = 1700
_REAL = 700
_NATIVE = {16, 20, 21, 23, 25, 701, 1042, 1043, 1082, 1114, 1184}
"""Type ids (pg_type.dat): bool, int8, int2, int4, text, float8, bpchar, varchar, date, timestamp, timestamptz."""


def _postgres_column(quoted: str, described: Any) -> str:
    """Types that DuckDB has no like of come as text; a numeric without precision would otherwise come as a rounded float.

    A `real` comes as a double, as which dlt stores it.
    """
    if described.type_code == _REAL:
        return f"{quoted}::float8 AS {quoted}"
    if described.type_code == _NUMERIC:
        native = described.precision is not None and described.precision <= 38 and 0 <= described.scale <= described.precision
        if native:
            # DuckDB's decimals have no NaN, and it would make a 0 of it. Of a domain, `nullif` forgets precision and scale.
            return f"nullif({quoted}, 'NaN')::numeric({described.precision}, {described.scale}) AS {quoted}"
    else:
        native = described.type_code in _NATIVE
    return quoted if native else f"{quoted}::text AS {quoted}"
