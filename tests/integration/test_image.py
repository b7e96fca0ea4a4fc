"""The image of `deploy/Containerfile`, built by buildah, and the commands of `deploy/compose.yml` run in it.

Minutes long, and it fetches from PyPI: only where FAELLESDATA_TEST_IMAGE_BASE names the image to build upon.
FAELLESDATA_TEST_IMAGE_OPTIONS are passed on to `buildah bud`, such as mounts of a package mirror's settings.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from programs_support import IMAGE_BASE
from test_deploy import DEPLOY, free_port

pytestmark = [pytest.mark.image, pytest.mark.timeout(3600)]
ISOLATION = ["--isolation", "chroot"]
"""Needs no rights that a test machine may not have; the network is the machine's own."""


def buildah(*arguments: str, timeout: float = 600) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    assert IMAGE_BASE is not None
    options = shlex.split(os.environ.get("FAELLESDATA_TEST_IMAGE_OPTIONS", ""))
    tag, file = f"localhost/faellesdata-test:{os.getpid()}", str(DEPLOY / "Containerfile")
    base = ["--build-arg", f"BASE={IMAGE_BASE}"]
    buildah("bud", *ISOLATION, "--layers", *base, *options, "-t", tag, "-f", file, str(DEPLOY.parent), timeout=3000)
    made = buildah("from", tag)
    try:
        yield made
    finally:
        buildah("rm", made)
        buildah("rmi", tag)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, 10001, 10001)
    return folder


def command(container: str, state: Path, *arguments: str) -> list[str]:
    mounted = ["-v", f"{state}:/state", "-e", "FAELLESDATA_HOME=/state"]
    return ["buildah", "run", *ISOLATION, *mounted, container, "--", *arguments]


def test_it_runs_as_nobody_in_particular_with_what_was_locked(container: str, state: Path) -> None:
    script = (
        "import json, os, dagster, dagster_postgres, duckdb;"
        "made = [name for name in ('.git', '.venv', 'data', 'deploy/tls') if os.path.exists(f'/opt/faellesdata/{name}')];"
        "print(json.dumps([os.getuid(), os.access('/opt/faellesdata', os.W_OK), made, dagster.__version__, duckdb.__version__]))"
    )
    answer = subprocess.run(command(container, state, "python", "-c", script), capture_output=True, text=True, check=True)
    locked = (DEPLOY.parent / "requirements.lock").read_text(encoding="utf-8")
    uid, writable, left_behind, dagster_version, duckdb_version = json.loads(answer.stdout)
    assert (uid, writable, left_behind) == (10001, False, []), "nothing of the installation that it was built in"
    assert f"\ndagster=={dagster_version} " in locked
    assert f"\nduckdb=={duckdb_version} " in locked


@pytest.mark.parametrize("service", ["faellesdata", "readers"])
def test_a_service_of_the_compose_file_answers(container: str, state: Path, service: str) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))["services"][service]
    own = json.loads(buildah("inspect", container))["OCIv1"]["config"]["Cmd"]
    arguments = [str(part) for part in compose.get("command", own)]
    port = str(free_port())
    arguments[arguments.index("--port") + 1] = port
    log = state / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command(container, state, *arguments), stdout=output, stderr=output)
        try:
            assert _ask(
                port, process, "{repositoriesOrError {__typename ... on RepositoryConnection {nodes {name schedules {name}}}}}"
            )
            assert (state / "dagster" / "dagster.yaml").exists()
            assert "Error" not in log.read_text()
        finally:
            process.terminate()
            process.wait(60)


def _ask(port: str, process: subprocess.Popen[bytes], query: str) -> bool:
    """Whether the UI has the code location and in it a schedule, once it is up."""
    until = time.monotonic() + 180
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                nodes = json.load(answer)["data"]["repositoriesOrError"].get("nodes", [])
        except (urllib.error.URLError, ConnectionError):
            nodes = []
        if any(node["schedules"] for node in nodes):
            return True
        time.sleep(1)
    return False
