"""The private copy of a system's raw file that a load works on. It takes the original's place as a whole, or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.home import Home
from ingestion.raw_file import unreadable


class RawFileError(Exception):
    """A raw file cannot be read. One line, with what to do."""


@contextmanager
def work_file(system_id: str, home: Home, seconds: dict[str, float]) -> Iterator[tuple[Path, Path]]:
    """Hold the system's lock, give a private copy of its raw file and an empty folder, and publish the copy at the end.

    What the copying and the publishing took goes into `seconds`.

    Raises:
        RawFileError: the raw file that is there cannot be read.
    """
    import duckdb
    from filelock import FileLock

    home.make_work()
    home.raw.mkdir(parents=True, exist_ok=True)
    target = home.raw_file(system_id)
    with FileLock(home.work / f"{system_id}.lock"):
        workdir = home.work / system_id
        # Whatever a killed load left behind: nobody else can be in here, the lock is ours.
        shutil.rmtree(workdir, ignore_errors=True)
        workdir.mkdir(mode=0o700)
        work = workdir / target.name
        try:
            began = time.perf_counter()
            if target.exists():
                _fold_in_log(target)
                shutil.copyfile(target, work)
            seconds["copy"] = time.perf_counter() - began
            yield work, workdir
            began = time.perf_counter()
            publish(work, target)
            seconds["publish"] = time.perf_counter() - began
        except duckdb.Error as error:
            if reason := unreadable(home, [system_id]).get(system_id):
                raise RawFileError(reason) from error
            raise
        finally:
            shutil.rmtree(workdir, ignore_errors=True)


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _fold_in_log(file: Path) -> None:
    """Bring in what somebody else wrote to a raw file and did not close: a copy of the file alone would lack it in silence."""
    import duckdb

    if _log_of(file).exists():
        duckdb.connect(str(file)).close()  # Raises while the other one still has it open.


def publish(work: Path, target: Path) -> None:
    """Replace `target` by `work` so that readers see all of it or none, after a crash too."""
    if _log_of(work).exists():
        raise RuntimeError(f"{work.name} was not closed: what is in its log would be lost. Nothing is published")
    work.chmod(0o600)  # raw files hold CPR numbers
    with work.open("rb") as file:
        os.fsync(file.fileno())
    work.replace(target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
