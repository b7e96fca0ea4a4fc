"""Object stores: S3 against a real server (moto), Azure Blob against Microsoft's emulator (Azurite) where it is installed."""

from __future__ import annotations

import base64
import contextlib
import hmac
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from connectors_support import TABLE, column, context, rows, system
from http_support import Server
from moto.server import ThreadedMotoServer
from programs_support import AZURITE
from pyarrow.fs import AzureFileSystem, S3FileSystem

from ingestion.connectors.base import SourceError
from ingestion.connectors.files import put_away
from ingestion.register.model import System


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3FileSystem:
    monkeypatch.setenv("S3_ACCESS", "noegle-id")
    monkeypatch.setenv("S3_SECRET", "meget-hemmelig-noegle")
    store = S3FileSystem(
        access_key="noegle-id",
        secret_key="meget-hemmelig-noegle",
        region="eu-north-1",
        scheme="http",
        endpoint_override=endpoint.removeprefix("http://"),
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )
    store.create_dir("udtraek")
    store.delete_dir_contents("udtraek")
    for name, content in (("ud/a.csv", b"id\n1\n"), ("ud/2026/b.csv", b"id\n2\n"), ("andet/c.csv", b"id\n3\n")):
        with store.open_output_stream(f"udtraek/{name}") as out:
            out.write(content)
    return store


def objects(endpoint: str, glob: str = "**/*.csv", transport: dict[str, Any] | None = None, **source: Any) -> System:
    keys = {"access_key": {"env": "S3_ACCESS"}, "secret_key": {"env": "S3_SECRET"}}
    where = {"type": "s3", "bucket": "udtraek", "prefix": "ud", "endpoint": endpoint, **keys, **(transport or {})}
    return system(
        {"protocol": "files", "transport": where},
        {"format": "csv", "glob": glob, **source},
        {"id": column()},
        write="append",
    )


def test_objects_below_the_prefix_are_read_once(endpoint: str, bucket: S3FileSystem, tmp_path: Path) -> None:
    first = context(tmp_path)
    assert [(row["id"], row["_source_ref"]) for row in rows(objects(endpoint), first)] == [("2", "2026/b.csv"), ("1", "a.csv")]
    assert rows(objects(endpoint), context(tmp_path, files_seen=first.files_loaded)) == []
    assert [row["id"] for row in rows(objects(endpoint, "*.csv"), context(tmp_path))] == ["1"]
    with bucket.open_output_stream("udtraek/ud/a.csv") as out:
        out.write(b"id\n11\n111\n")
    changed = context(tmp_path, files_seen=first.files_loaded)
    assert [row["id"] for row in rows(objects(endpoint), changed)] == ["11", "111"]


def test_objects_are_put_away(endpoint: str, bucket: S3FileSystem, tmp_path: Path) -> None:
    of = objects(endpoint, archive="arkiv")
    found = context(tmp_path)
    rows(of, found)
    put_away(of, {TABLE: found.files_loaded}, {})
    assert rows(of, context(tmp_path, files_seen=found.files_loaded)) == []
    fresh = rows(objects(endpoint, "arkiv/*.csv"), context(tmp_path))
    assert sorted(row["id"] for row in fresh) == ["1", "2"]


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        ({"bucket": "findes-ikke"}, "bucket findes-ikke is not there"),
        ({"prefix": "findes-ikke"}, "bucket udtraek is not there"),
        ({"endpoint": "http://127.0.0.1:9"}, "no answer from the store of bucket udtraek"),
        ({"endpoint": "http://s3.example.dk"}, "has no TLS"),
        ({"endpoint": "s3.example.dk"}, "is not an address"),
    ],
)
def test_what_is_wrong_is_told_without_the_key(
    endpoint: str, bucket: S3FileSystem, tmp_path: Path, transport: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        rows(objects(endpoint, transport=transport), context(tmp_path))
    assert "\n" not in str(caught.value)
    assert "hemmelig" not in str(caught.value)


@pytest.fixture
def server() -> Iterator[Server]:
    with contextlib.closing(Server()) as running:
        yield running


def azure(glob: str = "*.csv", archive: str | None = None, **transport: Any) -> System:
    where = {"type": "azure", "account": "odsherred", "container": "udtraek", **transport}
    source = {"format": "csv", "glob": glob, "archive": archive}
    return system({"protocol": "files", "transport": where}, source, {"id": column()}, write="append")


def test_azure_takes_one_kind_of_key_and_insists_on_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", "bWVnZXQtaGVtbWVsaWc=")
    key = {"env": "AZURE_KEY"}
    for wrong in ({}, {"account_key": key, "sas_token": key}):
        with pytest.raises(ValueError, match="either `account_key` or `sas_token`"):
            azure(**wrong)
    with pytest.raises(SourceError, match="has no TLS"):
        rows(azure(account_key=key, endpoint="http://blob.example.dk"), context(tmp_path))


SIGNATURE = "c2lnbmF0dXJlbg"


@pytest.mark.parametrize("mark", ["", "?"], ids=["as it is handed out", "as the end of an address"])
def test_a_shared_access_signature_is_sent_and_never_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setenv("AZURE_SAS", f"{mark}sv=2020-12-06&sr=c&sp=rl&se=2030-01-01T00%3A00%3A00Z&sig={SIGNATURE}%3D%3D\n")
    server.answer = lambda *_: (400, {}, "nej")
    with pytest.raises(SourceError, match="no answer from the store of container udtraek") as caught:
        rows(azure(sas_token={"env": "AZURE_SAS"}, endpoint=server.url), context(tmp_path))
    asked = {(path.rstrip("/"), query["sig"], query["sp"]) for path, query in server.requests}
    assert asked == {("/odsherred/udtraek", f"{SIGNATURE}==", "rl")}
    assert SIGNATURE not in str(caught.value)


AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The same for every Azurite; it stands in Microsoft's documentation."""


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert AZURITE is not None
    folder = tmp_path_factory.mktemp("azurite")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    where = ["--blobHost", "127.0.0.1", "--blobPort", host.rpartition(":")[2], "--location", str(folder)]
    options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    with (folder / "log").open("w") as log, subprocess.Popen([AZURITE, *where, *options], stdout=log, stderr=log) as server:
        try:
            store = AzureFileSystem(
                AZURITE_ACCOUNT,
                account_key=AZURITE_KEY,
                blob_storage_authority=host,
                blob_storage_scheme="http",
                dfs_storage_authority=host,
                dfs_storage_scheme="http",
            )
            for _ in range(300):
                with contextlib.suppress(OSError):
                    store.create_dir("udtraek")
                    break
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            for name, content in (("ud/a.csv", b"id\n1\n"), ("ud/2026/b.csv", b"id\n2\n"), ("andet/c.csv", b"id\n3\n")):
                with store.open_output_stream(f"udtraek/{name}") as out:
                    out.write(content)
            yield f"http://{host}"
        finally:
            server.terminate()


@pytest.mark.azurite
def test_azure_blobs_are_read_once_and_put_away(azurite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", AZURITE_KEY)
    place = {"account": AZURITE_ACCOUNT, "endpoint": azurite, "prefix": "ud", "account_key": {"env": "AZURE_KEY"}}
    of = azure("**/*.csv", "arkiv", **place)
    found = context(tmp_path)
    assert [(row["id"], row["_source_ref"]) for row in rows(of, found)] == [("2", "2026/b.csv"), ("1", "a.csv")]
    assert rows(of, context(tmp_path, files_seen=found.files_loaded)) == []
    put_away(of, {TABLE: found.files_loaded}, {})
    assert sorted(row["id"] for row in rows(azure("arkiv/*.csv", **place), context(tmp_path))) == ["1", "2"]
    assert rows(of, context(tmp_path, files_seen=found.files_loaded)) == []
    for wrong, message in (
        ({"container": "findes-ikke"}, "container findes-ikke is not there"),
        ({"account_key": {"env": "OTHER_KEY"}}, "container udtraek refuses the key"),
        ({"endpoint": "http://127.0.0.1:9"}, "no answer from the store of container udtraek"),
    ):
        monkeypatch.setenv("OTHER_KEY", "bWVnZXQtaGVtbWVsaWc=")
        with pytest.raises(SourceError, match=message) as caught:
            rows(azure(**{**place, **wrong}), context(tmp_path))
        assert "\n" not in str(caught.value)


def signed(rights: str, until: str) -> str:
    """Return a shared access signature for the container, made as Microsoft's "Create a service SAS" has it."""
    version = "2020-12-06"
    fields = [rights, "", until, f"/blob/{AZURITE_ACCOUNT}/udtraek", "", "", "", version, "c", *[""] * 7]
    digest = hmac.digest(base64.b64decode(AZURITE_KEY), "\n".join(fields).encode(), "sha256")
    return urlencode({"sp": rights, "se": until, "sv": version, "sr": "c", "sig": base64.b64encode(digest).decode()})


@pytest.mark.azurite
def test_azure_blobs_are_read_by_a_shared_access_signature(azurite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"account": AZURITE_ACCOUNT, "endpoint": azurite, "prefix": "andet", "sas_token": {"env": "AZURE_SAS"}}
    of = azure("*.csv", "arkiv", **place)
    monkeypatch.setenv("AZURE_SAS", signed("racwdl", "2100-01-01T00:00:00Z"))
    found = context(tmp_path)
    assert [row["id"] for row in rows(of, found)] == ["3"]
    put_away(of, {TABLE: found.files_loaded}, {})
    monkeypatch.setenv("AZURE_SAS", signed("rl", "2100-01-01T00:00:00Z"))
    assert [row["id"] for row in rows(azure("arkiv/*.csv", **place), context(tmp_path))] == ["3"]
    for refused in (signed("rl", "2020-01-01T00:00:00Z"), signed("w", "2100-01-01T00:00:00Z")):
        monkeypatch.setenv("AZURE_SAS", refused)
        with pytest.raises(SourceError, match="container udtraek refuses the key"):
            rows(of, context(tmp_path))
