"""Locks between processes. Dagster's pools queue what the daemon starts; what a terminal starts in process meets no queue.

The operating system drops a lock when its holder ends, however it ends, so nothing is ever left to clean up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import get_dagster_logger
from filelock import FileLock, Timeout

from ingestion.home import Home


def lock_file(home: Home, name: str) -> FileLock:
    folder = home.path / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


@contextmanager
def exclusive(home: Home, name: str) -> Iterator[None]:
    """Hold the lock `name` of this home; wait, and say so, while another process has it."""
    lock = lock_file(home, name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        get_dagster_logger().warning(f"'{name}' is in use by another refresh. Waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def living(home: Home, name: str) -> Iterator[None]:
    """Show, for as long as this lasts, that the process called `name` lives (see `is_dead`)."""
    with lock_file(home, name) as lock:
        yield
        Path(lock.lock_file).unlink()


def is_dead(home: Home, name: str) -> bool:
    """Whether the process called `name` has ended, in whatever way."""
    lock = lock_file(home, name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
    return True
