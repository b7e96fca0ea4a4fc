"""What goes wrong most is told in one line, whatever the route: which table, what happened, what to do, and no secret."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import openpyxl
import psycopg
import pytest
import trustme
from connectors_support import column, context, rows, system
from http_support import ForwardProxy, Server
from programs_support import POSTGRES

from ingestion.connectors.base import SourceError
from ingestion.register.model import System

SECRET = "meget-hemmelig-kode"
NOWHERE = "findes-ikke.invalid"  # RFC 2606: never the name of a host.
COLUMNS = {"id": column(), "navn": column()}
CSV = {"format": "csv", "glob": "a.csv"}
HTTP_ROUTES = ("rest", "odata", "graphql", "files", "soap")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)


@pytest.fixture(scope="module")
def refusing() -> Iterator[Server]:
    """Knows nobody."""
    server = Server()
    server.answer = lambda path, query, headers: (401, {"WWW-Authenticate": "Basic"}, "nej")
    yield server
    server.close()


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a server whose certificate ran out, and the authority that issued it, as PEM."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC)).configure_cert(tls)
    server = Server(tls)
    yield server.url, authority.cert_pem.bytes().decode()
    server.close()


def over_http(route: str, url: str, path: str = "sager", **more: Any) -> System:
    if route == "files":
        query = {"apiKey": {"env": "SECRET"}}
        transport = {"type": "http", "url": f"{url}/{path}", "query": query, "files": {"a.csv": {}}, **more}
        return system({"protocol": "files", "transport": transport}, CSV, COLUMNS)
    if route == "soap":
        more |= {"auth": {"type": "basic", "username": "laeser", "password": {"env": "SECRET"}}}
        return system(
            {"protocol": "soap", "wsdl": f"{url}/{path}?wsdl", **more}, {"operation": "Hent", "record": "Post"}, COLUMNS
        )
    sources = {
        "rest": {"path": f"/{path}", "paging": {"type": "single"}},
        "odata": {"entity_set": path},
        "graphql": {"query": "{ sager { id } }", "records": "sager"},
    }
    auth = {"type": "basic", "username": "laeser", "password": {"env": "SECRET"}}
    dialect = {"dialect": "v4", "metadata": False} if route == "odata" else {}
    return system({"protocol": route, "url": url, "auth": auth, **dialect, **more}, sources[route], COLUMNS)


def sql(url: str, table: str = "t") -> System:
    return system({"protocol": "sql", "url": url, "password": {"env": "SECRET"}}, {"table": table}, COLUMNS)


def local(folder: Path, source: dict[str, Any], **columns: Any) -> System:
    return system({"protocol": "files", "transport": {"type": "local", "folder": str(folder)}}, source, columns or COLUMNS)


def said(of: System, folder: Path) -> str:
    with pytest.raises(SourceError) as caught:
        rows(of, context(folder))
    told = str(caught.value)
    assert told.startswith("proeve.tabel: ")
    assert "\n" not in told
    assert SECRET not in told
    return told


@pytest.mark.parametrize("route", HTTP_ROUTES)
def test_a_wrong_password(refusing: Server, tmp_path: Path, route: str) -> None:
    assert "The log-in is refused" in said(over_http(route, refusing.url), tmp_path)


HOST_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
SFTP = {
    "type": "sftp",
    "host": NOWHERE,
    "username": "laeser",
    "password": {"env": "SECRET"},
    "host_key": HOST_KEY,
    "folder": "ud",
}
S3 = {
    "type": "s3",
    "bucket": "b",
    "endpoint": f"https://{NOWHERE}",
    "access_key": {"env": "SECRET"},
    "secret_key": {"env": "SECRET"},
}


@pytest.mark.parametrize(
    "made",
    [
        *(lambda route=route: over_http(route, f"https://{NOWHERE}") for route in HTTP_ROUTES),
        lambda: sql(f"postgresql+psycopg://laeser@{NOWHERE}/elev"),
        lambda: sql(f"mariadb+pymysql://laeser@{NOWHERE}/elev"),
        *(
            lambda transport=transport: system({"protocol": "files", "transport": transport}, CSV, COLUMNS)
            for transport in (S3, SFTP)
        ),
    ],
    ids=[*HTTP_ROUTES, "postgresql", "mariadb", "s3", "sftp"],
)
def test_an_unknown_host(made: Callable[[], System], tmp_path: Path) -> None:
    told = said(made(), tmp_path)
    assert "Check the " in told or "Check endpoint" in told or "Check host" in told


@pytest.mark.parametrize(
    ("route", "scheme"), [*((route, scheme) for route in HTTP_ROUTES for scheme in ("http", "https")), ("s3", "https")]
)
def test_a_proxy_that_lets_nobody_through(route: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(ForwardProxy("kommune", "en anden")) as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://kommune:{SECRET}@127.0.0.1:{proxy.server_port}")
        address = f"{scheme}://{NOWHERE}"
        s3 = system({"protocol": "files", "transport": {**S3, "endpoint": address}}, CSV, COLUMNS)
        told = said(s3 if route == "s3" else over_http(route, address), tmp_path)
        assert proxy.asked
    assert "proxy" in told
    assert "HTTPS_PROXY" in told


@pytest.mark.parametrize("route", HTTP_ROUTES)
def test_an_expired_certificate(expired: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    url, authority = expired
    monkeypatch.setenv("AUTHORITY", authority)
    told = said(over_http(route, url, authority={"env": "AUTHORITY"}), tmp_path)
    assert "has a certificate that has expired. Ask the vendor to renew it" in told


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[tuple[str, Callable[[datetime], None]]]:
    """Address of a PostgreSQL with a certificate that is looked at, and what gives it another, that runs out then."""
    assert POSTGRES is not None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    user = "postgres" if os.getuid() == 0 else None  # The server refuses to be root's.
    folder = Path(tempfile.mkdtemp(prefix="faellesdata-pg-"))  # Within `tmp_path` another user may not go.
    shutil.chown(folder, user or os.getuid())
    data = folder / "data"
    made = [POSTGRES / "initdb", "-D", data, "-A", "trust", "-U", "laeser", "--no-sync"]
    subprocess.run(made, user=user, cwd=folder, check=True, capture_output=True)

    def certify(until: datetime) -> None:
        issued = authority.issue_cert("localhost", not_after=until)
        for name, pem in ("server.crt", issued.cert_chain_pems[0]), ("server.key", issued.private_key_pem):
            (data / name).write_bytes(pem.bytes())
            (data / name).chmod(0o600)
            shutil.chown(data / name, user or os.getuid())

    certify(datetime(2100, 1, 1, tzinfo=UTC))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {"ssl": "on", "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder}
    start = [POSTGRES / "postgres", "-D", data, *(f"--{name}={value}" for name, value in given.items())]
    url = f"laeser@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={tmp_path}/authority.pem"
    with subprocess.Popen(start, user=user, cwd=folder, stderr=subprocess.DEVNULL) as server:

        def until(up: bool) -> None:
            for _ in range(150):
                try:
                    psycopg.connect(f"postgresql://{url}").close()
                    came = True
                except psycopg.OperationalError:
                    came = False
                if came is up:
                    return
                time.sleep(0.1)
            raise AssertionError(f"PostgreSQL's certificate does not {'' if up else 'cease to '}hold")

        def change(end: datetime) -> None:
            certify(end)
            server.send_signal(signal.SIGHUP)
            until(False)

        try:
            until(True)
            yield url, change
        finally:
            server.send_signal(signal.SIGINT)
    shutil.rmtree(folder)


@pytest.mark.postgresql
def test_a_database_with_an_expired_certificate(certified: tuple[str, Callable[[datetime], None]], tmp_path: Path) -> None:
    """PostgreSQL's library says of any certificate that does not hold only that it does not."""
    url, change = certified
    with psycopg.connect(f"postgresql://{url}") as connection:
        connection.execute("create table sager as select '1' as id, 'A' as navn")
    of = sql(f"postgresql+psycopg://{url}", "public.sager")
    assert [row["navn"] for row in rows(of, context(tmp_path))] == ["A"]
    change(datetime(2020, 1, 1, tzinfo=UTC))
    assert "certificate verify failed. Ask the database's owner whether its certificate has expired" in said(of, tmp_path)


@pytest.mark.parametrize("route", HTTP_ROUTES)
def test_a_table_that_is_not_there(tmp_path: Path, route: str) -> None:
    with contextlib.closing(Server()) as server:
        assert "404" in said(over_http(route, server.url), tmp_path)


def test_a_table_that_is_not_in_the_database(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "tom.db").close()
    assert "there is no table 'sager', or no right to see it. Correct source.table" in said(
        system({"protocol": "sql", "url": f"sqlite:///{tmp_path}/tom.db"}, {"table": "sager"}, COLUMNS), tmp_path
    )


def test_a_sheet_that_is_not_there(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("Budget 2026")
    book.save(tmp_path / "a.xlsx")
    told = said(local(tmp_path, {"format": "excel", "glob": "*.xlsx", "sheet": "Regnskab"}), tmp_path)
    assert "a.xlsx" in told
    assert "'Regnskab'" in told
    assert "Budget 2026" in told


@pytest.mark.parametrize(
    ("name", "content", "source", "columns"),
    [
        ("a.csv", "id;navn\n1;Søren\n", {"format": "csv"}, COLUMNS),
        (
            "a.txt",
            "000\n001Søren\n999\n",
            {"format": "fixed", "encoding": "utf-8", "record_type": "001"},
            {"navn": column(at=(4, 5))},
        ),
        ("a.xml", '<?xml version="1.0" encoding="utf-8"?><a><b><id>ø</id></b></a>', {"format": "xml", "record": "b"}, COLUMNS),
        ("a.json", '[{"id": "ø"}]', {"format": "json"}, COLUMNS),
        ("a.jsonl", '{"id": "ø"}\n', {"format": "json", "lines": True}, COLUMNS),
    ],
    ids=["csv", "fixed", "xml", "json", "json lines"],
)
def test_a_wrong_encoding(tmp_path: Path, name: str, content: str, source: dict[str, Any], columns: dict[str, Any]) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    told = said(local(tmp_path, {"glob": name, **source}, **columns), tmp_path)
    assert name in told
    assert "utf-8" in told.lower() or "character encoding" in told


@pytest.mark.parametrize("route", ["rest", "odata", "graphql", "files"])
def test_an_answer_in_another_encoding(tmp_path: Path, route: str) -> None:
    row = '{"id": "1", "navn": "Søren"}'
    bodies = {
        "rest": f"[{row}]",
        "odata": f'{{"value": [{row}], "@odata.count": 1}}',
        "graphql": f'{{"data": {{"sager": [{row}]}}}}',
        "files": "id;navn\n1;Søren\n",
    }
    with contextlib.closing(Server()) as server:
        server.answer = lambda path, query, headers: (200, {"Content-Type": "application/json"}, bodies[route].encode("latin-1"))
        told = said(over_http(route, server.url), tmp_path)
    assert "utf-8" in told.lower()
    assert "Søren" not in told
