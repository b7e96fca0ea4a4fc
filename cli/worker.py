"""`faellesdata worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import HomeOption, expected, home_at


@expected("orchestration.instance:WrongSetting", "orchestration.worker:WorkerError")
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Runs at once on this machine.")] = 2,
    home: HomeOption = None,
) -> None:
    """Take runs from the queue that FAELLESDATA_CELERY names, on a machine beside the one with `faellesdata ui`.

    It needs the same code, settings and home (a disk that the machines share), and PostgreSQL storage for Dagster.

    Exit codes: 0 stopped; 1 could not start.
    """
    from orchestration.instance import open_instance
    from orchestration.worker import work

    with open_instance(home_at(home)):
        work(concurrency)
