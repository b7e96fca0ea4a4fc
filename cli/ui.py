"""`faellesdata ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import HomeOption, err, expected, fail, home_at, out
from ingestion.home import Home


@expected("orchestration.instance:WrongSetting", "orchestration.worker:WorkerError", "orchestration.server:ServerError")
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 3000,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Show, and let nothing be started; no schedule. Beside another `ui` of the same home."),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Open Dagster's web UI and run its daemon: the nightly schedule is on for as long as this runs.

    It listens on 127.0.0.1 and has no log-in of its own: put a reverse proxy with log-in before it, never another address.

    Exit codes: 0 stopped; 1 could not start, or Dagster would not stay up.
    """
    at = home_at(home)
    with err.status("Preparing settings and the dbt manifest"):
        from filelock import Timeout

        from orchestration.instance import end_orphans, open_instance
        from orchestration.locks import lock_file
        from orchestration.server import serve

        instance = open_instance(at)
        try:
            if not read_only:
                # Two daemons on one home would start each night twice. Held until this process ends.
                lock = lock_file(at, "ui")
                lock.acquire(timeout=0)
                end_orphans(instance, at)
        except Timeout:
            fail(f"another `faellesdata ui` runs on {at.path}. Use that one, or add --read-only")
        _prepare(at)
    with instance:
        serve(instance, port, read_only=read_only, tell=lambda text: out.print(text, highlight=False, soft_wrap=True))


def _prepare(home: Home) -> None:
    from ingestion.register import read_leniently
    from orchestration.dbt import DbtError, prepare_manifest

    register, problems = read_leniently()
    try:
        prepare_manifest(register, home)
    except DbtError as error:
        err.print(f"[yellow]{error}[/yellow]", soft_wrap=True)
    for problem in problems:
        err.print(f"[yellow]{problem}[/yellow]", soft_wrap=True)
