"""SFTP against a real server: the host key is checked before anything else."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import dagster as dg
import pytest
from connectors_support import TABLE, column, context, rows, system

from ingestion.connectors.base import SourceError
from ingestion.connectors.files import put_away
from ingestion.home import Home
from ingestion.register import Register
from ingestion.register.model import System
from orchestration.arrivals import arrival_sensors

PASSWORD = "meget-hemmelig-kode"


class Server(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD


class Files(asyncssh.SFTPServer):
    """As OpenSSH's, or like large products for Windows, which tell no rights, or these alone, and so not what a folder is."""

    told = 0o177777
    """What is told of a file's mode: its kind and rights."""
    timed = True
    """Whether it is told when a file was changed."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for name in super().scandir(path):
            yield self._told(name)

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return self._told(asyncssh.SFTPName(path, attrs=asyncssh.SFTPAttrs.from_local(super().stat(path)))).attrs

    def _told(self, name: asyncssh.SFTPName) -> asyncssh.SFTPName:
        name.attrs.permissions = ((name.attrs.permissions or 0) & self.told) or None
        if not self.timed:
            name.attrs.atime = name.attrs.mtime = None
        return name


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    root = tmp_path_factory.mktemp("sftp")
    (root / "ud").mkdir()
    host_key, user_key = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    allowed = root / "authorized"
    allowed.write_bytes(user_key.export_public_key())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            Server,
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(allowed),
            sftp_factory=lambda channel: Files(channel, chroot=str(root).encode()),
        )

    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    yield {
        "root": root / "ud",
        "port": str(acceptor.get_port()),
        "host_key": host_key.export_public_key().decode().strip(),
        "private_key": user_key.export_private_key().decode(),
    }

    async def stop() -> None:
        acceptor.close()
        await acceptor.wait_closed()

    asyncio.run_coroutine_threadsafe(stop(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch, sftp: dict[str, Any]) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", PASSWORD)
    monkeypatch.setenv("SFTP_WRONG", "forkert-kode")
    monkeypatch.setenv("SFTP_KEY", sftp["private_key"])
    for path in sftp["root"].iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (sftp["root"] / "yr-2026-01.csv").write_bytes("CPR;Beløb\r\n1;2,50\r\n".encode("cp1252"))


def sftp_system(sftp: dict[str, Any], **transport: Any) -> System:
    login = {"password": {"env": "SFTP_PASSWORD"}} if "private_key" not in transport else {}
    return system(
        {
            "protocol": "files",
            "transport": {
                "type": "sftp", "host": "127.0.0.1", "port": sftp["port"], "username": "yr", "host_key": sftp["host_key"],
                "folder": "/ud", **login, **transport,
            },
        },
        {"format": "csv", "glob": "yr-*.csv", "encoding": "cp1252"},
        {"CPR": column(), "Beløb": column()},
        write="append",
    )  # fmt: skip


@pytest.mark.parametrize("login", [{}, {"private_key": {"env": "SFTP_KEY"}}])
def test_files_are_read_once(sftp: dict[str, Any], tmp_path: Path, login: dict[str, Any]) -> None:
    first = context(tmp_path)
    assert [row["beloeb"] for row in rows(sftp_system(sftp, **login), first)] == ["2,50"]
    assert rows(sftp_system(sftp, **login), context(tmp_path, files_seen=first.files_loaded)) == []


def test_a_large_file_arrives_whole(sftp: dict[str, Any], tmp_path: Path) -> None:
    (sftp["root"] / "yr-2026-01.csv").write_text("CPR;Beløb\r\n" + "1;2\r\n" * 300_000, encoding="cp1252", newline="")
    found = context(tmp_path)
    assert len(rows(sftp_system(sftp), found)) == found.source_rows == 300_000


@pytest.mark.parametrize("told", [0o177777, 0o777, 0], ids=["kind and rights", "rights", "nothing"])
def test_links_and_files_whose_kind_is_not_told_are_read(
    sftp: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    monkeypatch.setattr(Files, "told", told)
    (sftp["root"] / "nyeste").mkdir()
    (sftp["root"] / "nyeste" / "a.csv").write_text("CPR;Beløb\r\n2;7,00\r\n", encoding="cp1252")
    (sftp["root"] / "yr-nyeste.csv").symlink_to("nyeste/a.csv")
    (sftp["root"] / "yr-borte.csv").symlink_to("nyeste/b.csv")
    assert [row["beloeb"] for row in rows(sftp_system(sftp), context(tmp_path))] == ["2,50", "7,00"]


def test_where_no_time_is_told_the_content_decides(sftp: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Files, "timed", False)
    first = context(tmp_path)
    assert [row["beloeb"] for row in rows(sftp_system(sftp), first)] == ["2,50"]
    second = context(tmp_path, files_seen=first.files_loaded)
    assert rows(sftp_system(sftp), second) == []
    (sftp["root"] / "yr-2026-01.csv").write_bytes("CPR;Beløb\r\n1;7,50\r\n".encode("cp1252"))
    third = context(tmp_path, files_seen=first.files_loaded)
    assert [row["beloeb"] for row in rows(sftp_system(sftp), third)] == ["7,50"], "of the same size as the first"


def test_another_host_key_stops_everything(sftp: dict[str, Any], tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    with pytest.raises(SourceError, match="shows another host key than the register's"):
        rows(sftp_system(sftp, host_key=other), context(tmp_path))


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        ({"password": {"env": "SFTP_WRONG"}}, "refuses the log-in"),
        ({"password": {"env": "SFTP_NOWHERE"}}, "SFTP_NOWHERE is not set"),
        ({"host_key": "noget helt andet"}, "host_key is not a public key"),
        ({"private_key": {"env": "SFTP_WRONG"}}, "private_key is no Ed25519"),
        ({"port": "1"}, "no SFTP connection"),
        ({"port": "x"}, "port is not a number"),
        ({"folder": "/findes-ikke"}, "no folder /findes-ikke"),
    ],
)
def test_failures_are_one_line_without_secrets(
    sftp: dict[str, Any], tmp_path: Path, transport: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        rows(sftp_system(sftp, **transport), context(tmp_path))
    said = str(caught.value)
    assert said.startswith("proeve.tabel: ")
    assert not any(secret in said for secret in (PASSWORD, "forkert-kode", "BEGIN", "\n"))


def test_files_in_folders_below_are_found_and_put_away(sftp: dict[str, Any], tmp_path: Path) -> None:
    (sftp["root"] / "2026").mkdir()
    (sftp["root"] / "yr-2026-01.csv").rename(sftp["root"] / "2026" / "yr-2026-01.csv")
    of = sftp_system(sftp)
    source = of.tables[TABLE].source.model_copy(update={"glob": "**/yr-*.csv", "archive": "arkiv/2026"})
    of = of.model_copy(update={"tables": {TABLE: of.tables[TABLE].model_copy(update={"source": source})}})
    found = context(tmp_path)
    assert [row["_source_ref"] for row in rows(of, found)] == ["2026/yr-2026-01.csv"]
    put_away(of, {TABLE: found.files_loaded}, {})
    assert [re.sub(r"^\d{8}T\d{6}Z_[0-9a-f]{8}_", "", path.name) for path in (sftp["root"] / "arkiv" / "2026").iterdir()] == [
        "2026_yr-2026-01.csv"
    ]
    assert rows(of, context(tmp_path, files_seen=found.files_loaded)) == []


def test_names_that_are_no_utf8_are_read_and_hide_no_other(sftp: dict[str, Any], tmp_path: Path) -> None:
    folder = sftp["root"] / os.fsdecode("Økonomi".encode("cp1252"))
    folder.mkdir()
    shutil.copy(sftp["root"] / "yr-2026-01.csv", folder / os.fsdecode("yr-børn.csv".encode("cp1252")))
    of = sftp_system(sftp)
    source = of.tables[TABLE].source.model_copy(update={"glob": "**/yr-*.csv", "archive": "arkiv"})
    of = of.model_copy(update={"tables": {TABLE: of.tables[TABLE].model_copy(update={"source": source})}})
    found = context(tmp_path)
    assert [row["_source_ref"] for row in rows(of, found)] == ["yr-2026-01.csv", "Økonomi/yr-børn.csv"]
    put_away(of, {TABLE: found.files_loaded}, {})
    assert sorted(path.name[26:] for path in (sftp["root"] / "arkiv").iterdir()) == ["yr-2026-01.csv", "Økonomi_yr-børn.csv"]


def test_a_file_delivered_once_more_with_its_time_takes_the_place_of_the_first(sftp: dict[str, Any], tmp_path: Path) -> None:
    for name in ("yr-2026-02.csv", "yr-2026-03.csv"):
        shutil.copy(sftp["root"] / "yr-2026-01.csv", sftp["root"] / name)
    of = sftp_system(sftp)
    source = of.tables[TABLE].source.model_copy(update={"archive": "arkiv"})
    of = of.model_copy(update={"tables": {TABLE: of.tables[TABLE].model_copy(update={"source": source})}})
    found = context(tmp_path)
    assert len(rows(of, found)) == 3
    put_away(of, {TABLE: found.files_loaded}, {})
    archive = {path.name[26:]: path for path in (sftp["root"] / "arkiv").iterdir()}
    for name in ("yr-2026-01.csv", "yr-2026-02.csv"):
        shutil.copy2(archive[name], sftp["root"] / name)
    put_away(of, {TABLE: found.files_loaded}, {})
    assert [path.name for path in sftp["root"].iterdir()] == ["arkiv"]
    assert {path.name[26:] for path in (sftp["root"] / "arkiv").iterdir()} == archive.keys()


def test_what_arrives_starts_a_load_once(sftp: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = sftp_system(sftp)
    watched = watched.model_copy(update={"connection": watched.connection.model_copy(update={"load_on_arrival": True})})
    (sensor,) = arrival_sensors(Register(systems={"proeve": watched}), Home(tmp_path))

    def tick(cursor: str | None) -> dg.SensorResult:
        with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance, cursor=cursor) as asked:
            result = sensor(asked)
        assert isinstance(result, dg.SensorResult)
        return result

    first = tick(None)
    assert [request.asset_selection for request in first.run_requests or []] == [[dg.AssetKey(["raw", "proeve", TABLE])]]
    assert not tick(first.cursor).run_requests
    (sftp["root"] / "yr-2026-02.csv").write_bytes("CPR;Beløb\r\n2;3,50\r\n".encode("cp1252"))
    second = tick(first.cursor)
    assert len(second.run_requests or []) == 1
    monkeypatch.setenv("SFTP_PASSWORD", "forkert-kode")
    refused = tick(second.cursor)
    assert not refused.run_requests
    monkeypatch.setenv("SFTP_PASSWORD", PASSWORD)
    assert not tick(refused.cursor).run_requests, "what was seen before the server said no is not seen as new"
