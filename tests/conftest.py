"""What all tests share: no network but loopback, no settings of the caller's own."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from alembic.script import ScriptDirectory
from browser_support import CHROMIUM
from dagster._core.storage.defs_state import DefsStateStorage
from manifest_support import lend_manifest
from municipality_support import Municipality
from postbox_support import Postbox
from programs_support import AZURITE, IMAGE_BASE, MARIADB, NGINX, POSTGRES
from pytest_socket import enable_socket, socket_allow_hosts
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import orchestration.dbt
from ingestion.home import Home
from ingestion.register import read_register

HERE = Path(__file__).parent
for name in ("http_proxy", "https_proxy", "all_proxy"):
    for variable in (name, name.upper()):
        os.environ.pop(variable, None)
# Alembic imports all of Dagster's migrations whenever a storage is opened or a run's file is made: a tenth of a small refresh.
ScriptDirectory.from_config = functools.cache(ScriptDirectory.from_config)  # type: ignore[method-assign, assignment]


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    """Nothing in the tests may reach beyond this machine; a connection elsewhere fails the test that made it."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(scope="module", autouse=True)
def _settings_end_with_their_module() -> Iterator[None]:
    """What is set already wins over `connections.env`: settings that one municipality left would lead the next one astray."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    # A schedule's or sensor's context that is not closed leaves its dead instance to whatever loads definitions next, whenever
    # the garbage collector comes by: seen here, in the module that did it.
    gc.collect()
    # What is left is imported and stays: half a second of each further collection.
    gc.freeze()
    assert DefsStateStorage.get() is None, "a Dagster context was opened without `with`"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("FAELLESDATA_"):
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of a run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def municipality(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path) -> Municipality:
    made = Municipality(tmp_path)
    monkeypatch.setattr(orchestration.dbt, "PROJECT", made.project)
    monkeypatch.setattr(orchestration.dbt, "ROOT", tmp_path)
    monkeypatch.setattr(orchestration.dbt, "INPUTS", (made.project,))
    for name in ("FAELLESDATA_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")  # refresh sets them; monkeypatch puts back what was
    lend_manifest(read_register(made.register), made.home, shared)
    return made


@pytest.fixture
def postbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postbox]:
    made = Postbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(made, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("FAELLESDATA_ALERT_MAIL", f"mailto://127.0.0.1:{port}?from=faellesdata@odsherred.example&to={{owner}}")
    monkeypatch.setenv("FAELLESDATA_UI_URL", "https://data.odsherred.example")
    yield made
    controller.stop()


# Marker → whether its program is here, and the Debian package that has it (`.ci/debian-packages.txt`).
NEEDS = {
    "azurite": (AZURITE is not None, "azurite (npm), its azurite-blob on the path"),
    "browser": (CHROMIUM is not None, "chromium"),
    "compose": (
        IMAGE_BASE is not None and shutil.which("docker") is not None,
        "Docker, and FAELLESDATA_TEST_IMAGE_BASE set",
    ),
    "mariadb": (MARIADB is not None, "mariadb-server"),
    "nginx": (NGINX is not None, "nginx-light"),
    "image": (IMAGE_BASE is not None and shutil.which("buildah") is not None, "buildah, and FAELLESDATA_TEST_IMAGE_BASE set"),
    "postgresql": (POSTGRES is not None, "postgresql"),
    "redis": (shutil.which("redis-server") is not None, "redis-server"),
    "systemd": (shutil.which("systemd-analyze") is not None, "systemd"),
}
_LEFT_OUT: dict[str, str] = {}
LONG = ("town", "test_kills", "test_changes", "test_warehouse", "test_the_201st_system")
"""What takes a minute or more, and so comes first: else one process would do it in the end while the other has nothing left."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a program that is not here; `pytest_terminal_summary` says so."""
    items.sort(
        key=lambda item: next((place for place, name in enumerate(LONG) if name in item.path.with_suffix("").parts), len(LONG))
    )
    missing = {marker: package for marker, (here, package) in NEEDS.items() if not here}
    for item in items:
        for marker in item.iter_markers():
            if marker.name in missing:
                _LEFT_OUT[item.nodeid] = missing[marker.name]
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in _LEFT_OUT])
    items[:] = [item for item in items if item.nodeid not in _LEFT_OUT]


class _BySharedFixture(LoadScopeScheduling):
    """Tests of one file go to one process: they share what it sets up; and so do the files of a folder with a `conftest.py`."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        shared = file.parent != Path(HERE.name) and (HERE.parent / file.parent / "conftest.py").exists()
        return str(file.parent if shared else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _BySharedFixture(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _LEFT_OUT:
        packages = ", ".join(sorted(set(_LEFT_OUT.values())))
        terminalreporter.section(f"LEFT OUT, FOR WANT OF: {packages.upper()}", red=True, bold=True)
        terminalreporter.write_line("Install the Debian packages to run:")
        for name, package in _LEFT_OUT.items():
            terminalreporter.write_line(f"  {name} ({package})")
