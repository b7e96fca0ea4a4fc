"""`deploy/compose.yml` as a whole, by Docker: log-in, a load, what may not be started, and what comes back after a fall.

Minutes long: only where FAELLESDATA_TEST_IMAGE_BASE names the image to build upon. The images of PostgreSQL and nginx are those
that the file names: out of a registry, or here already.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
import yaml
from programs_support import IMAGE_BASE
from test_deploy import DEPLOY, OPERATOR, OPERATORS, READER, READERS, START, VERSION, Proxy, free_port

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]
SYSTEM = "novax"
"""Its tables come out of PostgreSQL, by an extension of DuckDB that wants to be installed where nothing can be written."""
LOAD = """mutation {launchRun(executionParams: {runConfigData: {}, selector: {repositoryLocationName: "faellesdata",
  repositoryName: "__repository__", jobName: "nightly_load", assetSelection: [KEYS]}}) {__typename}}"""
RUNS = "{runsOrError {... on Runs {results {status}}}}"
PRACTICE = """
import threading
from pathlib import Path
from demo import build, serve
from ingestion.home import Home
home = Home(Path('/data/practice'))
home.path.mkdir()
build(home, scale=0.005)
with serve(home):
    print('ready', flush=True)
    threading.Event().wait()
"""


@dataclass
class Stack:
    folder: Path
    proxy: Proxy
    secrets: set[str]

    def compose(self, *arguments: str, timeout: float = 600) -> str:
        files = ["-f", f"{self.folder}/deploy/compose.yml", "-f", f"{self.folder}/test.yml"]
        command = ["docker", "compose", "--project-name", f"faellesdata-test-{os.getpid()}", *files, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def inspect(self, *services: str, form: str = "{{json .}}") -> str:
        containers = self.compose("ps", "--all", "--quiet", *services).split()
        return subprocess.run(["docker", "inspect", "-f", form, *containers], capture_output=True, text=True, check=True).stdout

    def answers(self, host: str, login: tuple[str, str], query: str = VERSION) -> str:
        """Return the data of the answer; nothing while there is none."""
        try:
            status, body = self.proxy.ask(host, "/graphql", login, query)
        except OSError:
            return ""
        return json.dumps(json.loads(body).get("data")) if status == 200 else ""

    def statuses(self, host: str, login: tuple[str, str]) -> list[str]:
        answer = self.answers(host, login, RUNS)
        return [run["status"] for run in json.loads(answer)["runsOrError"].get("results", [])] if answer else []


def wait(ready: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, what
        time.sleep(1)


def secret_files(folder: Path) -> set[str]:
    """Write what `compose.yml` asks for, owned as it says; return the secrets."""
    tls = folder / "tls"
    tls.mkdir()
    password, vault, pseudonym = (secrets.token_hex(32) for _ in range(3))
    files = {
        "tls/postgres_password": (password, 0),
        "tls/dagster_postgres": (f"postgresql://dagster:{password}@postgres/dagster", 10001),
        "tls/vault_key": (vault, 10001),
        "tls/pseudonym_key": (pseudonym, 10001),
        "tls/faellesdata-operators": (f"{OPERATOR[0]}:{{PLAIN}}{OPERATOR[1]}\n", 101),
        "tls/faellesdata-readers": (f"{READER[0]}:{{PLAIN}}{READER[1]}\n", 101),
        "secrets.env": ("", 10001),
    }
    for name, (text, owner) in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o400)
        os.chown(folder / name, owner, -1)
    return {password, vault, pseudonym}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    assert IMAGE_BASE is not None
    folder, port = tmp_path_factory.mktemp("compose"), free_port()
    (folder / "deploy").mkdir()
    for name in ("compose.yml", "nginx.conf", "proxy_params"):
        shutil.copy(DEPLOY / name, folder / "deploy")
    known = secret_files(folder / "deploy")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "deploy/tls/faellesdata.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "deploy/tls/faellesdata.key"))
    proxy = Proxy.trusting(authority, port)
    # A port of our own, an image that is not the installation's, a limit that any daemon can give, and a system to load from.
    image = f"localhost/faellesdata-test:{os.getpid()}"
    ours = {"image": image, "ulimits": {"nofile": 20000}}
    build = {"context": str(DEPLOY.parent), "args": {"BASE": IMAGE_BASE}}
    practice = {
        "network_mode": "service:network",
        "volumes": ["data:/data"],
        "command": ["python", "-c", PRACTICE],
        "image": image,
    }
    services = {"faellesdata": {**ours, "build": build}, "readers": ours, "practice": practice}
    overrides = yaml.safe_dump({"services": services}) + f"  network:\n    ports: !override ['127.0.0.1:{port}:443']\n"
    (folder / "test.yml").write_text(overrides, encoding="utf-8")
    made = Stack(folder, proxy, known)
    try:
        made.compose("build", "faellesdata", timeout=1200)
        made.compose("up", "--detach", "network", "practice")
        wait(lambda: "ready" in made.compose("logs", "practice"), 120, "the practice systems do not answer")
        settings = made.compose("exec", "practice", "cat", "/data/practice/connections.env")
        (folder / "deploy" / "secrets.env").write_text(settings, encoding="utf-8")
        made.secrets.add(next(line.split("=")[1].strip("'\"") for line in settings.splitlines() if "NOVAX_PASSWORD" in line))
        made.compose("up", "--detach")
        wait(lambda: bool(made.answers(READERS, READER)), 300, "the readers' UI does not answer")
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "10")
        subprocess.run(["docker", "rmi", image], capture_output=True, check=False)


def test_operators_start_a_load_and_readers_do_not(stack: Stack) -> None:
    assert stack.proxy.ask(OPERATORS, "/")[0] == 401
    assert stack.proxy.ask(OPERATORS, "/", READER)[0] == 401
    assert "UnauthorizedError" in stack.answers(READERS, READER, START)
    tables = yaml.safe_load(next((DEPLOY.parent / "ingestion/systems").rglob(f"{SYSTEM}.yml")).read_text(encoding="utf-8"))[
        "tables"
    ]
    keys = ", ".join(f'{{path: ["raw", "{SYSTEM}", "{name}"]}}' for name in tables)
    assert "LaunchRunSuccess" in stack.answers(OPERATORS, OPERATOR, LOAD.replace("KEYS", keys))
    wait(lambda: stack.statuses(OPERATORS, OPERATOR)[:1] in (["SUCCESS"], ["FAILURE"]), 300, "the load does not end")
    assert stack.statuses(READERS, READER) == ["SUCCESS"]


def test_what_falls_comes_back_and_is_reached_as_before(stack: Stack) -> None:
    """What shares another container's network is cut off when that one starts anew: here nobody's own network is shared."""
    os.kill(int(stack.inspect("faellesdata", form="{{.State.Pid}}")), signal.SIGKILL)
    wait(lambda: not stack.answers(OPERATORS, OPERATOR), 60, "it is still there")
    wait(lambda: bool(stack.answers(OPERATORS, OPERATOR)), 300, "it does not come back")
    stack.compose("restart", "postgres", "proxy")
    wait(lambda: stack.statuses(OPERATORS, OPERATOR) == ["SUCCESS"], 120, "the operators' UI has lost its runs")
    wait(lambda: stack.statuses(READERS, READER) == ["SUCCESS"], 120, "the readers' UI has lost its runs")


def test_no_secret_is_seen_from_outside(stack: Stack) -> None:
    seen = stack.inspect() + stack.compose("logs")
    assert "FAELLESDATA_VAULT_KEY_FILE" in seen
    assert [secret for secret in stack.secrets if secret in seen] == []
