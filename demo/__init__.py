"""A practice municipality: an invented Odsherred Kommune, and its systems as servers and files on this machine.

`build` makes it, once; `serve` lets its systems answer on 127.0.0.1 for as long as the context lasts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from demo.certificates import FILES
from ingestion.home import Home

__all__ = ["DemoError", "build", "serve"]

_KEPT = ("ports.json", "sftp_host_key", *FILES)
"""What stays when the municipality is built anew: connections made earlier remain good."""


class DemoError(Exception):
    """The practice municipality cannot be served. The message says why and what to do."""


def build(home: Home, scale: float = 1.0, seed: int = 306, progress: Callable[[str], None] | None = None) -> None:
    """Make the practice municipality in `<home>/demo`, with some 33,000 × `scale` inhabitants, and write `connections.env`.

    The same scale and seed give the same municipality; if it is there already, only `connections.env` is written. It is put
    together beside and moved into place whole. `progress` is told what is under way.
    """
    from demo.settings import connections, ports, write_connections

    stamp = json.dumps({"scale": float(scale), "seed": seed, "generator": _generator()}, sort_keys=True)
    if not _is(home.demo, stamp):
        with _alone(home):
            _make(home, scale, seed, stamp, progress or (lambda message: None))
    write_connections(home.connections, connections(home.demo, ports(home.demo)))


def _make(home: Home, scale: float, seed: int, stamp: str, progress: Callable[[str], None]) -> None:
    from demo.facts import facts
    from demo.municipality import build_municipality
    from demo.truth import Truth

    work = home.path / ".demo-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    progress("Inventing the municipality")
    municipality = build_municipality(seed, scale)
    truth = Truth(scale, seed)
    for system in _systems():
        progress(f"Writing {system.SYSTEM}")
        system.build(municipality, work / system.SYSTEM, truth)
    truth.facts = facts(municipality)
    truth.write(work / "truth.json")
    for name in _KEPT:
        if (home.demo / name).exists():
            shutil.copy2(home.demo / name, work / name)
    (work / "stamp.json").write_text(stamp, encoding="utf-8")
    shutil.rmtree(home.demo, ignore_errors=True)
    work.rename(home.demo)


@contextmanager
def serve(home: Home) -> Iterator[dict[str, str]]:
    """Let the systems of the municipality in `<home>/demo` answer on 127.0.0.1; stop them at the end.

    Writes the ports to `connections.env`, and yields the settings written there.

    Raises:
        DemoError: there is no municipality, or it is being served already.

    """
    from demo.http import app_for, secure_app_for
    from demo.http_server import http_server
    from demo.postgres import postgres, stop_leftover
    from demo.settings import SFTP_ACCOUNTS, connections, ports, write_connections
    from demo.sftp import Account, sftp

    folder = home.demo
    if not (folder / "stamp.json").exists():
        raise DemoError(f"There is no practice municipality in {folder}. Make one with `faellesdata demo`")
    with ExitStack() as running:
        running.enter_context(_alone(home))
        stop_leftover(folder)
        chosen = ports(folder)
        settings = connections(folder, chosen)
        running.enter_context(postgres(folder, chosen["postgres"]))
        accounts = {
            username: Account(folder / system, settings[f"{system.upper()}_PASSWORD"])
            for system, username in SFTP_ACCOUNTS.items()
        }
        running.enter_context(sftp(folder / "sftp_host_key", chosen["sftp"], accounts))
        running.enter_context(http_server(app_for(folder), chosen["http"]))
        running.enter_context(http_server(secure_app_for(folder), chosen["https"], tls=folder))
        write_connections(home.connections, settings)
        yield settings


def _systems() -> list[ModuleType]:
    from importlib import import_module

    from demo.http import SYSTEMS
    from demo.postgres import DATABASES
    from demo.settings import FOLDERS, SFTP_ACCOUNTS
    from demo.systems import stil_ws17

    named = (*FOLDERS, *SFTP_ACCOUNTS, *(database.name for database in DATABASES))
    return [*(import_module(f"demo.systems.{system}") for system in named), stil_ws17, *SYSTEMS.values()]


def _is(folder: Path, stamp: str) -> bool:
    path = folder / "stamp.json"
    return path.exists() and path.read_text(encoding="utf-8") == stamp


def _generator() -> str:
    """Return a fingerprint of the generator itself: a new version of it makes another municipality of the same seed."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    seeds = package.parent / "seeds"
    read = (seeds / f"{name}.csv" for name in ("skoledistrikter", "kontoplan_funktioner", "hovedkonti", "kommuner"))
    for path in (*sorted(package.rglob("*.py")), *read):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Hold the municipality: it is not built anew while it is served, nor served twice."""
    import fcntl

    home.path.mkdir(parents=True, exist_ok=True)
    with (home.path / ".demo-lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"{home.demo} is in use by another process. Stop that, or choose another --home") from None
        yield
