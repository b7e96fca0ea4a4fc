"""Runs on several machines: each takes its runs from a queue in Redis, put there by Dagster's own run launcher for Celery.

The variable FAELLESDATA_CELERY, such as `redis://queue.kommune.example:6379/0`, turns it on, for the scheduler and the workers.
All of them have the same code and the same home, on a disk that they share, and PostgreSQL storage.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

CELERY = "FAELLESDATA_CELERY"


class WorkerError(Exception):
    """The machine cannot take runs from a queue. One line: why, what to do."""


def launcher() -> dict[str, Any]:
    """Return the part of `dagster.yaml` that has runs put in the queue; nothing where runs are children of the code server."""
    if not os.environ.get(CELERY):
        return {}
    _check()
    # By reference: the address may hold a password.
    config = {"broker": {"env": CELERY}, "backend": {"env": CELERY}}
    return {"run_launcher": {"module": "dagster_celery.launcher", "class": "CeleryRunLauncher", "config": config}}


def work(concurrency: int) -> None:
    """Take runs from the queue until told to stop, `concurrency` at a time, each in a process of its own.

    Raises:
        WorkerError: no queue is named, or its library is not installed.
    """
    if not os.environ.get(CELERY):
        raise WorkerError(f"{CELERY} is not set. Set it to the queue's address, such as redis://localhost:6379/0")
    _check()
    from dagster_celery.config import DEFAULT_CONFIG
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

    address = os.environ[CELERY]
    app = make_app({"broker": address, "backend": address, "config_source": DEFAULT_CONFIG})  # type: ignore[no-untyped-call]
    create_execute_job_task(app)
    create_resume_job_task(app)
    app.worker_main(
        [
            "worker",
            "--queues",
            "dagster",
            "--concurrency",
            str(concurrency),
            "--max-tasks-per-child",
            "1",
            "--loglevel",
            "WARNING",
        ]
    )


def _check() -> None:
    if find_spec("dagster_celery") is None:
        raise WorkerError(f"{CELERY} is set, and dagster-celery is not installed. Run: pip install 'faellesdata[celery]'")
