"""What the commands share: options, errors in one line, tables, JSON."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console, Group
from rich.markup import escape
from rich.measure import Measurement
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ingestion.home import Home

FAILED, USAGE = 1, 2
_LEAST_BYTES = 4 * 2**20
"""With less left, a disk is full: an event log grows by blocks."""
_NUMBER = int | float | Decimal

# In a file or a pipe, tables keep their width instead of folding to a terminal's 80 columns.
out = Console(width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True)

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Folder that holds all data and settings. Default: FAELLESDATA_HOME, or ./data."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

P = ParamSpec("P")
R = TypeVar("R")


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Print `message` on standard error and end with `code`."""
    err.print(f"[red]faellesdata:[/red] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """End in order when systemd or a container asks (SIGTERM), and where a script has started us with interrupts ignored.

    Dagster has a termination do what an interrupt does: there it did nothing, from the first run on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {kind: signal.signal(kind, signal.default_int_handler) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def expected(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn errors into one line and exit code 1: the system's, the register's, those called `names` (`module:class`) and their
    kinds, and whatever a full disk comes out as.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                with _terminated_as_interrupted():
                    return command(*args, **kwargs)
            except KeyboardInterrupt:
                fail("stopped", 130)
            except OSError as error:
                _fail_on_full_disk()
                fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
            except Exception as error:
                # DuckDB's own classes are of `_duckdb`.
                kinds = {f"{kind.__module__.lstrip('_')}:{kind.__name__}" for kind in type(error).__mro__}
                if not kinds.isdisjoint((*names, "ingestion.register.read:RegisterError")):
                    # Of DuckDB's messages the second part points into the SQL, on lines of its own.
                    fail(" ".join(str(error).split("\n\nLINE ")[0].split()))
                _fail_on_full_disk()
                raise

        return run

    return decorate


def _fail_on_full_disk() -> None:
    if full := full_disk(Home.find()):
        fail(f"{full}, and run it again: what is lacking is done then")


def full_disk(home: Home) -> str:
    """Return what to say of a disk on which nothing can be loaded any more; "" where there is room."""
    if not home.path.exists() or shutil.disk_usage(home.path).free >= _LEAST_BYTES:
        return ""
    return f"the disk of {home.path} is full. Make room"


def home_at(path: Path | None, settings: bool = True) -> Home:
    """Return the home, with its connection settings read (unless not wanted) and this process told where it is."""
    try:
        home = Home.find(path)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    os.environ["FAELLESDATA_HOME"] = str(home.path)
    if settings:
        home.load_settings()
    return home


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> Table:
    """Return a table; `right` names the columns to align right (numbers). Only a `Text` brings colours; data are shown as is."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(escape(column), justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else _cell(value) for value in row))
    return made


def answer(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table | Group:
    """Return data as a table or, where that would break words apart for want of width, as a list of names and values per row."""
    number = [name for index, name in enumerate(columns) if any(isinstance(row[index], _NUMBER) for row in rows)]
    made = table(title, columns, rows, right=number)
    # Measured without an edge: within one, no measure is ever wider.
    if not rows or Measurement.get(out, out.options.update(width=100_000), made).minimum <= out.width:
        return made
    return Group(*(_record(f"{title or 'row'} {place}", columns, row) for place, row in enumerate(rows, 1)))


def _record(title: str, columns: Sequence[str], row: Sequence[object]) -> Group:
    grid = Table.grid(padding=(0, 2))
    for name, value in zip(columns, row, strict=True):
        grid.add_row(f"[bold]{escape(name)}[/bold]", _cell(value))
    return Group(Rule(escape(title), align="left"), grid)


def _cell(value: object) -> str:
    return "" if value is None else escape(str(value))
