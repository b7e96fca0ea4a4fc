"""`faellesdata ui`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.common import HomeOption, err, expected, fail, home_at, out

WORKSPACE = Path(__file__).resolve().parent.parent / "workspace.yaml"


@expected()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 3000,
    home: HomeOption = None,
) -> None:
    """Open Dagster's web UI and run its daemon: the nightly schedule is on for as long as this runs.

    It listens on 127.0.0.1 and has no log-in of its own: put a reverse proxy with log-in before it, never another address.

    Exit codes: 0 stopped; 1 could not start.
    """
    at = home_at(home)
    with err.status("Preparing settings and the dbt manifest"):
        from ingestion.register import read_leniently
        from orchestration.dbt import DbtError, prepare_manifest
        from orchestration.instance import end_orphans, open_instance

        register, problems = read_leniently()
        with open_instance(at) as instance:
            end_orphans(instance, at)
        try:
            prepare_manifest(register, at)
        except DbtError as error:
            err.print(f"[yellow]{error}[/yellow]", soft_wrap=True)
    for problem in problems:
        err.print(f"[yellow]{problem}[/yellow]", soft_wrap=True)
    out.print(f"http://127.0.0.1:{port}   (Ctrl-C stops it, and the schedule with it)", highlight=False)
    dagster = [sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE)]
    command = [*dagster, "-h", "127.0.0.1", "-p", str(port), "--log-level", "warning"]
    # Runs look for modules from where they start: the repository, wherever the command was given.
    process = subprocess.Popen(command, cwd=WORKSPACE.parent, env=os.environ.copy())
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # The terminal has sent it the same signal; it ends its own processes first.
        process.wait()
        code = 0
    if code:
        fail(f"Dagster ended with code {code}. Is port {port} taken? Try --port")
