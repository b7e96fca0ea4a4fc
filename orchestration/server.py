"""Dagster's three processes, started, watched and ended as one: code server, daemon, webserver.

`dagster dev` ends when one of its processes dies, and sits by when the daemon hangs: nobody would notice until no night had run.
Here what dies or stops giving signs of life is started again. Runs are children of the code server, so a new daemon or
webserver disturbs none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import yaml
from dagster import DagsterRunStatus, RunsFilter

from ingestion.messages import one_line
from ingestion.register import SYSTEMS
from ingestion.register.vocabulary import FOLDER as VOCABULARY
from orchestration.dbt import INPUTS, inputs_in
from orchestration.instance import UNFINISHED

if TYPE_CHECKING:
    from dagster._grpc.client import DagsterGrpcClient

ROOT = Path(__file__).resolve().parent.parent
LOCATION = "faellesdata"
MODULE = "orchestration.definitions"
START_SECONDS = 120
END_SECONDS = 25
SILENT_SECONDS = 180
"""A daemon whose threads have not all said anything for so long hangs: they do so twice a minute."""
RESTARTS = 5
"""More restarts than this within `RESTARTS_WITHIN_SECONDS`, and it is no accident: we end, and whoever started us is told."""
RESTARTS_WITHIN_SECONDS = 600
PAUSE_SECONDS = 1.0
LOOK_SECONDS = 30
"""How often the files that the definitions are made of are looked at."""
RELOAD_SECONDS = 600
"""dbt parses its project anew first: a minute and more on a busy machine."""
FOLDERS = (SYSTEMS, VOCABULARY, *INPUTS)


class Changes:
    """Whether files in these folders are others than those that were read; not while somebody is writing them."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._read = self._last = self._look()

    def lie_still(self) -> bool:
        """Whether the files are others than those that were read, and the same as when they were last looked at."""
        try:
            before, self._last = self._last, self._look()
        except FileNotFoundError:  # One went between being listed and being looked at: they are being written.
            return False
        return before == self._last != self._read

    def are_read(self) -> None:
        self._read = self._last

    def _look(self) -> frozenset[tuple[str, int, int]]:
        found = []
        for folder in self._folders:
            for path in inputs_in(folder):
                stat = path.stat()
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
        return frozenset(found)


class ServerError(Exception):
    """Dagster did not start, or would not stay up. One line: what happened, what to do."""


@dataclass
class Service:
    """One of the processes. `arguments` is a module and its arguments."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        self.starts.append(time.monotonic())
        command = [sys.executable, "-m", "orchestration.attended", *self.arguments]
        # A session of its own: Ctrl-C reaches this process alone, which ends the others in their order.
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=os.name == "posix")

    @property
    def ended(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.process.poll() if self.process else None

    @property
    def restless(self) -> bool:
        return sum(start > time.monotonic() - RESTARTS_WITHIN_SECONDS for start in self.starts) > RESTARTS

    def stop(self, seconds: float = END_SECONDS) -> None:
        """Ask it to end by closing its standard input; kill it and what it started if it does not."""
        if self.process is None:
            return
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()


def serve(instance: dg.DagsterInstance, port: int, *, read_only: bool = False, tell: Callable[[str], None] = print) -> None:
    """Run Dagster's web UI on 127.0.0.1:`port` and, unless `read_only`, its daemon, until interrupted.

    Raises:
        ServerError: something does not come up or does not stay up.
    """
    if not _is_free(port):
        raise ServerError(f"port {port} is taken. Choose another with --port, or end what listens there")
    with _folder(instance, port) as folder:
        code, workspace = _code_server(folder)
        shared = ["--workspace", str(workspace)]
        web = ["dagster_webserver", "--host", "127.0.0.1", "--port", str(port), "--dagster-log-level", "warning", *shared]
        services = [code]
        if not read_only:
            services.append(Service("daemon", ["dagster._daemon", "run", "--log-level", "warning", *shared]))
        services.append(Service("webserver", [*web, "--read-only"] if read_only else web))
        changes = Changes(FOLDERS)
        try:
            code.start()
            _await(code, lambda: _answers(workspace), "the code server")
            for service in services[1:]:
                service.start()
            _await(services[-1], lambda: not _is_free(port), "the webserver")
            tell(f"http://127.0.0.1:{port}   (Ctrl-C stops it{'' if read_only else ', and the schedule with it'})")
            _watch(instance, services, tell, lambda: _read_again(instance, changes, workspace, tell))
        except KeyboardInterrupt:
            tell("Stopping; runs under way are ended.")
        finally:
            for service in reversed(services):
                service.stop()


@contextmanager
def _folder(instance: dg.DagsterInstance, port: int) -> Iterator[Path]:
    """Yield a folder of our own for the code server's socket, called alike at every start of this home and port.

    Dagster files the ticks of schedules and sensors by the socket's path: by another one, none are listed after a restart.
    """
    name = hashlib.sha256(f"{instance.root_directory} {port}".encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"faellesdata-{name}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if _is_ours(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    with tempfile.TemporaryDirectory(prefix="faellesdata-") as other:
        yield Path(other)


def _is_ours(folder: Path) -> bool:
    """Whether nobody else made the folder, or can reach into it: others write beside it."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and (os.name != "posix" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077))


def _watch(
    instance: dg.DagsterInstance, services: Sequence[Service], tell: Callable[[str], None], read_again: Callable[[], None]
) -> None:
    looked = time.monotonic()
    while True:
        time.sleep(PAUSE_SECONDS)
        if time.monotonic() - looked > LOOK_SECONDS:
            read_again()
            looked = time.monotonic()
        for service in services:
            fault = ""
            if service.ended is not None:
                fault = f"ended with code {service.ended}"
            elif service.name == "daemon" and _is_silent(instance, service):
                fault = f"gave no sign of life for {SILENT_SECONDS} s"
                service.stop(seconds=0)
            if not fault:
                continue
            if service.restless:
                raise ServerError(f"the {service.name} {fault}, for the {RESTARTS}th time. Its messages above say why")
            tell(f"The {service.name} {fault}; it is started again.")
            time.sleep(PAUSE_SECONDS)
            service.start()


def _read_again(instance: dg.DagsterInstance, changes: Changes, workspace: Path, tell: Callable[[str], None]) -> None:
    """Have the definitions made anew once the register or the dbt project has changed, between two nights.

    By the old ones a new system is never loaded, and with one that is gone no other of its department is: each run reads the
    files anew, and finds no such step.
    """
    from dagster._core.errors import DagsterUserCodeUnreachableError

    if not changes.lie_still() or instance.get_runs_count(RunsFilter(statuses=[*UNFINISHED, DagsterRunStatus.QUEUED])):
        return
    try:
        _client(workspace).reload_code(timeout=RELOAD_SECONDS)
    except DagsterUserCodeUnreachableError as error:
        tell(f"The register or the dbt project has changed, and could not be read again; it is tried again. {one_line(error)}")
        return
    changes.are_read()
    tell("The register or the dbt project has changed; it has been read again.")


def _is_silent(instance: dg.DagsterInstance, daemon: Service) -> bool:
    running = time.monotonic() - daemon.starts[-1]
    if running < SILENT_SECONDS or int(running) % 15:
        return False
    heartbeats = instance.get_daemon_heartbeats()
    oldest = min(
        (heartbeats[kind].timestamp if kind in heartbeats else 0.0 for kind in instance.get_required_daemon_types()), default=0.0
    )
    if time.time() - oldest < SILENT_SECONDS:
        return False
    # After a machine's sleep all heartbeats are old, though nothing hangs: what hangs is as silent a while later.
    time.sleep(SILENT_SECONDS / 3)
    beats = instance.get_daemon_heartbeats().values()
    return min((beat.timestamp for beat in beats), default=0.0) <= oldest


def _code_server(folder: Path) -> tuple[Service, Path]:
    """Return the process that holds the definitions, and the workspace file by which the others find it."""
    # A socket file in a folder of our own is out of other users' reach; Windows has none, and a port there is a machine's own.
    if os.name == "posix":
        address, listen = {"socket": str(folder / "code")}, ["--socket", str(folder / "code")]
    else:
        free = _free_port()
        address, listen = {"host": "127.0.0.1", "port": free}, ["--host", "127.0.0.1", "--port", str(free)]  # type: ignore[dict-item]
    workspace = folder / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": {**address, "location_name": LOCATION}}]}))
    command = ["dagster", "code-server", "start", *listen, "-m", MODULE, "-d", str(ROOT), "--location-name", LOCATION]
    return Service("code server", [*command, "--log-level", "warning", "--inject-env-vars-from-instance"]), workspace


def _answers(workspace: Path) -> bool:
    from dagster._core.errors import DagsterUserCodeUnreachableError

    try:
        _client(workspace).ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


def _client(workspace: Path) -> DagsterGrpcClient:
    from dagster._grpc.client import DagsterGrpcClient

    address = yaml.safe_load(workspace.read_text())["load_from"][0]["grpc_server"]
    address.pop("location_name")
    return DagsterGrpcClient(**address)


def _await(service: Service, ready: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        if service.ended is not None:
            raise ServerError(f"{what} ended with code {service.ended}. Its messages above say why")
        if time.monotonic() > until:
            raise ServerError(f"{what} did not answer within {START_SECONDS} s")
        time.sleep(0.2)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
