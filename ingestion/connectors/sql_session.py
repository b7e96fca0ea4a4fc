"""A session with a database: one that cannot write, sees the same rows all through, and is given up in time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.register.basics import Limits

if TYPE_CHECKING:
    import sqlalchemy as sa

_SNAPSHOT = {"postgresql": "REPEATABLE READ", "mysql": "REPEATABLE READ", "mariadb": "REPEATABLE READ"}
"""Isolation in which two statements see the same rows. Oracle's read-only transaction is one by itself; SQL Server's SNAPSHOT has
to be allowed by the database's owner first."""
_READ_ONLY = {
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}


@contextlib.contextmanager
def connected(url: sa.URL, limits: Limits) -> Iterator[sa.Connection]:
    """Give a connection whose statements all see the same rows, and none of which writes."""
    import sqlalchemy as sa

    dialect = url.get_backend_name()
    options = {"isolation_level": _SNAPSHOT[dialect]} if dialect in _SNAPSHOT else {}
    engine = sa.create_engine(
        _of_a_file(url) if dialect == "sqlite" else url,
        poolclass=sa.NullPool,
        connect_args=arguments(url, limits),
        hide_parameters=True,
        execution_options=options,
    )
    if dialect in _READ_ONLY:
        sa.event.listen(engine, "connect", lambda raw, _: _run(raw, _READ_ONLY[dialect]))
    try:
        with engine.connect() as connection:
            if dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")  # Python's driver begins none for reading.
            if dialect == "oracle":
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield connection
    finally:
        engine.dispose()


def _of_a_file(url: sa.URL) -> sa.URL:
    """Have SQLite open a file that is there, and make none where it is not."""
    if not url.database or url.database.startswith(("file:", ":")):
        return url
    return url.set(database=Path(url.database).absolute().as_uri(), query={**url.query, "mode": "rw", "uri": "true"})


def give_up(session: sa.Connection, result: sa.CursorResult[Any]) -> None:
    """End a session in the middle of a result. Asked to close it, PyMySQL would first read the rest, be it for hours."""
    rest = getattr(result.cursor, "_result", None)
    if rest is not None and session.dialect.driver == "pymysql":
        rest.unbuffered_active = False
    session.invalidate()


def _run(raw: Any, statement: str) -> None:
    cursor = raw.cursor()
    cursor.execute(statement)
    cursor.close()


def arguments(url: sa.URL, limits: Limits) -> dict[str, Any]:
    """Return what the driver is told of time-outs (seconds) and of not writing, each in its own words."""
    wait, longest = limits.timeout_seconds, limits.table_seconds
    if url.get_backend_name() == "postgresql":
        return postgres_limits(limits)
    return {
        "pymysql": {"connect_timeout": wait, "read_timeout": longest},
        # SQL Server has no read-only sessions; this asks for a replica, where there is one that only reads.
        "pymssql": {"login_timeout": wait, "timeout": longest, "read_only": True},
        "oracledb": {"tcp_connect_timeout": wait, "expire_time": 1},  # Minutes of silence until it asks whether anybody is there.
    }.get(url.get_driver_name(), {})


def postgres_limits(limits: Limits) -> dict[str, Any]:
    """For libpq: how long to wait for a connection and for one statement, and that none may write.

    A firewall that forgets a connection over a long count would have us wait for two hours: after a minute of silence it is seen
    to that somebody is there.
    """
    options = f"-cstatement_timeout={limits.table_seconds}s -cdefault_transaction_read_only=on"
    alive = {"keepalives_idle": 60, "keepalives_interval": 15, "keepalives_count": 4}
    return {"connect_timeout": limits.timeout_seconds, "options": options, **alive}
