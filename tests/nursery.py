"""Loads in processes of their own that cost no start: forked off one that has imported everything, and killed when asked.

Run as a script. Reads one request a line, `{"system": …, "home": …, "after": seconds or null}`, and answers what became of it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def land(request: dict[str, Any]) -> None:
    from connectors_support import of_json

    from ingestion import landing
    from ingestion.home import Home

    landing._LARGE_ROWS = 500  # So that the straight way into the work file is among what is killed.
    load = landing.land_system(of_json(request["system"]), Home(Path(request["home"])))
    assert not load.failed, [table.message for table in load.tables.values()]


def forked(request: dict[str, Any]) -> tuple[int, int]:
    """Return the process that lands, and a pipe from which its fault can be read."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    try:
        land(request)
        os.write(writer, "\n".join(sys.modules).encode() if request.get("warm") else b"")
    except BaseException as error:
        os.write(writer, f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(1)
    os._exit(0)


def stage(home: Path) -> str:
    """How far a killed load had come, by what it left behind."""
    work = home / "work"
    folder = next((path for path in work.glob("*/") if path.is_dir()), None)
    if folder is None:
        return "none"
    packages = {name: any((folder / "dlt").glob(f"*/{name}/*")) for name in ("normalize", "load/normalized", "load/loaded")}
    if packages["load/loaded"]:
        return "publish"
    if packages["load/normalized"]:
        return "load"
    return "normalise" if any((folder / "dlt").glob("*/load/new/*")) else "extract"


def run(request: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    process, reader = forked(request)
    if request["after"] is not None:
        time.sleep(request["after"])
        os.kill(process, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(process, 0)
    killed = os.WIFSIGNALED(status)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 and request.get("warm"):
        for name in said.split("\n"):
            if name not in sys.modules and name.partition(".")[0] != "__main__":
                import_if_there_is(name)
        said = ""
    return {"killed": killed, "fault": said, "seconds": time.monotonic() - began, "stage": stage(Path(request["home"]))}


def import_if_there_is(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception:  # A module made at run time has no file to be imported from.
        return


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()
