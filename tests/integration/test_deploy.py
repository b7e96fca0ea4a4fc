"""`deploy/` as it stands in the repository: nginx before a read-only web UI, the units as systemd reads them."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
import yaml
from manifest_support import lend_manifest
from programs_support import NGINX

from ingestion.home import Home
from ingestion.register import read_leniently

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OPERATOR, READER = ("drift", "a-test-password"), ("laeser", "another-test-password")
VERSION = "{version}"
BROKEN = "kle"
SHOWN = """{assetNodes {assetKey {path}} assetNodeOrError(assetKey: {path: ["register"]}) {
  ... on AssetNode {metadataEntries {label ... on TextMetadataEntry {text}}}}}"""
START = """mutation {launchRun(executionParams: {runConfigData: {}, selector: {
  repositoryLocationName: "faellesdata", repositoryName: "__repository__", jobName: "nightly_load"}}) {__typename}}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Proxy:
    port: int
    trusted: ssl.SSLContext

    @classmethod
    def trusting(cls, authority: trustme.CA, port: int) -> Proxy:
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)
        return cls(port, trusted)

    def ask(self, host: str, path: str, login: tuple[str, str] | None = None, query: str | None = None) -> tuple[int, str]:
        """Return status and body of a request for `host`."""
        headers = {"Host": host, "Content-Type": "application/json"}
        if login:
            headers["Authorization"] = f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"
        body = json.dumps({"query": query}).encode() if query else None
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.trusted) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def upgrade(self, host: str, login: tuple[str, str]) -> str:
        """Ask for a WebSocket and return the first line of the answer."""
        with (
            socket.create_connection(("127.0.0.1", self.port), 30) as plain,
            self.trusted.wrap_socket(plain, server_hostname="127.0.0.1") as line,
        ):
            secret = base64.b64encode(":".join(login).encode()).decode()
            line.sendall(
                f"GET /graphql HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {secret}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Protocol: graphql-ws\r\n\r\n".encode()
            )
            return line.recv(4096).decode().partition("\r\n")[0]


def written(folder: Path, port: int, operators: int, readers: int) -> Path:
    """Write nginx's configuration with `deploy/nginx.conf` in it, its ports and paths changed; return where it stands."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    for place, value in {
        "listen 443": f"listen 127.0.0.1:{port}",
        "127.0.0.1:3000": f"127.0.0.1:{operators}",
        "127.0.0.1:3001": f"127.0.0.1:{readers}",
        "/etc/ssl/faellesdata.pem": f"{folder}/both.pem",
        "/etc/ssl/private/faellesdata.key": f"{folder}/both.pem",
        "/etc/nginx/": f"{folder}/",
    }.items():
        assert place in text, place
        text = text.replace(place, value)
    (folder / "site.conf").write_text(text, encoding="utf-8")
    shutil.copy(DEPLOY / "proxy_params", folder)
    for name, (user, password) in {"faellesdata-operators": OPERATOR, "faellesdata-readers": READER}.items():
        (folder / name).write_text(f"{user}:{{PLAIN}}{password}\n")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # As root, nginx would give its work to a user who may not look into the folder.
    user = "user root;" if folder.owner() == "root" else ""
    (folder / "nginx.conf").write_text(
        f"{user}\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )
    return folder / "nginx.conf"


def up(port: int, process: subprocess.Popen[bytes], seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Proxy]:
    """nginx before the read-only web UI of an empty home; nobody is behind the operators' address.

    The UI's own copy of the code has a register file that cannot be read.
    """
    assert NGINX
    folder = tmp_path_factory.mktemp("nginx")
    port, readers, nobody = free_port(), free_port(), free_port()
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    command = [sys.executable, "-m", "cli.main", "ui", "--read-only", "--port", str(readers), "--home", str(folder / "home")]
    for part in ("cli", "ingestion", "orchestration", "serving", "dbt_project", "seeds"):
        shutil.copytree(
            DEPLOY.parent / part, folder / "code" / part, ignore=shutil.ignore_patterns("__pycache__", "target", "logs")
        )
    (path,) = (folder / "code").rglob(f"{BROKEN}.yml")
    path.write_text(path.read_text(encoding="utf-8").replace("\ncadence: ", "\ncadence: engang "), encoding="utf-8")
    register, _ = read_leniently(folder / "code" / "ingestion" / "systems")
    lend_manifest(register, Home(folder / "home"), shared)
    with (folder / "ui.log").open("wb") as log:
        ui = subprocess.Popen(command, cwd=folder / "code", stdout=log, stderr=subprocess.STDOUT)
    nginx = subprocess.Popen([NGINX, "-c", written(folder, port, nobody, readers), "-e", folder / "error.log"])
    try:
        up(port, nginx, 20)
        up(readers, ui, 300)
        yield Proxy.trusting(authority, port)
    finally:
        for process in (nginx, ui):
            process.terminate()
            process.wait(60)


READERS, OPERATORS = "faellesdata-laes.kommune.example", "faellesdata.kommune.example"


@pytest.mark.nginx
def test_nobody_comes_in_without_the_password_of_that_address(proxy: Proxy) -> None:
    assert proxy.ask(READERS, "/")[0] == 401
    assert proxy.ask(READERS, "/graphql", None, VERSION)[0] == 401
    assert proxy.ask(READERS, "/", (READER[0], "forkert"))[0] == 401
    assert proxy.ask(READERS, "/", OPERATOR)[0] == 401, "operators have names of their own there"
    assert proxy.ask(OPERATORS, "/", READER)[0] == 401, "a reader does not get to where runs are started"
    assert proxy.ask(OPERATORS, "/", OPERATOR)[0] == 502, "let in; nobody is behind it in this test"


@pytest.mark.nginx
def test_a_reader_sees_everything_and_starts_nothing(proxy: Proxy) -> None:
    status, page = proxy.ask(READERS, "/", READER)
    assert status == 200
    assert "Dagster" in page
    status, answer = proxy.ask(READERS, "/graphql", READER, VERSION)
    assert status == 200
    assert json.loads(answer)["data"]["version"]
    _, answer = proxy.ask(READERS, "/graphql", READER, START)
    assert json.loads(answer)["data"]["launchRun"]["__typename"] == "UnauthorizedError"
    assert proxy.upgrade(READERS, READER) == "HTTP/1.1 101 Switching Protocols"


@pytest.mark.nginx
def test_a_register_file_with_an_error_is_named_and_the_rest_is_shown(proxy: Proxy) -> None:
    _, answer = proxy.ask(READERS, "/graphql", READER, SHOWN)
    shown = json.loads(answer)["data"]
    systems = {node["assetKey"]["path"][1] for node in shown["assetNodes"] if node["assetKey"]["path"][0] == "source"}
    files = {path.stem for path in (DEPLOY.parent / "ingestion" / "systems").rglob("*.yml")}
    assert systems == files - {BROKEN}
    (text,) = [entry["text"] for entry in shown["assetNodeOrError"]["metadataEntries"] if entry["label"] == "problems"]
    original = next((DEPLOY.parent / "ingestion" / "systems").rglob(f"{BROKEN}.yml")).read_text(encoding="utf-8")
    line = original[: original.index("\ncadence: ")].count("\n") + 2
    assert re.search(rf"/{BROKEN}\.yml:{line}:\d+: .*engang", text), text


@pytest.mark.systemd
@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("*.service")))
def test_systemd_reads_the_units_without_a_word(unit: str, tmp_path: Path) -> None:
    text = (DEPLOY / unit).read_text(encoding="utf-8")
    # The programs are to be there, and units that others bring: this program is.
    there, installed = (
        str(Path(sys.executable).with_name("faellesdata")),
        r"(?<==)(/opt/faellesdata/\.venv/bin/faellesdata|/usr/bin/docker)(?= )",
    )
    text, programs = re.subn(installed, there, text)
    assert programs == text.count("\nExec"), "a program that this test does not know"
    (tmp_path / unit).write_text(text.replace("\nRequires=docker.service", ""), encoding="utf-8")
    answer = subprocess.run(["systemd-analyze", "verify", tmp_path / unit], capture_output=True, text=True, timeout=60)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_commands_in_deploy_are_commands_of_ours() -> None:
    """Units, image and compose file start what the command line has, with the options it has."""
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
    ours = [service for service in compose["services"].values() if "faellesdata" in service["image"]]
    commands = [" ".join(service["command"]) for service in ours if "command" in service]
    commands += [
        line for path in DEPLOY.glob("*.service") for line in re.findall(r"ExecStart=\S*/(faellesdata .*)", path.read_text())
    ]
    (image,) = re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    commands.append(" ".join(json.loads(image)))
    assert len(commands) == 4
    for command in commands:
        program, subcommand, *options = command.split()
        assert program == "faellesdata"
        said = subprocess.run(
            [sys.executable, "-m", "cli.main", subcommand, "--help"], capture_output=True, text=True, timeout=60
        ).stdout
        assert [option for option in options if option.startswith("--") and option not in said] == []
    for service in compose["services"].values():
        for name, path in service.get("environment", {}).items():
            if name.endswith("_FILE"):
                secret = path.removeprefix("/run/secrets/")
                assert secret in service["secrets"], name
                assert secret in compose["secrets"], name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./") and not source.startswith("./tls/"):
                assert (DEPLOY / source).exists(), source
