"""What the commands share: options, errors in one line, tables, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingestion.home import Home

OK, FAILED, USAGE = 0, 1, 2

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


def expected(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn errors into one line and exit code 1: the operating system's, and those called `names` (`module:class`)."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except KeyboardInterrupt:
                fail("stopped", 130)
            except OSError as error:
                fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
            except Exception as error:
                if f"{type(error).__module__}:{type(error).__name__}" in names:
                    # Of DuckDB's messages the second part points into the SQL, on lines of its own.
                    fail(" ".join(str(error).split("\n\nLINE ")[0].split()))
                raise

        return run

    return decorate


def home_at(path: Path | None, settings: bool = True) -> Home:
    """Return the home, with its connection settings read (unless not wanted) and this process told where it is."""
    import os

    home = Home.find(path)
    os.environ["FAELLESDATA_HOME"] = str(home.path)
    if settings:
        home.load_settings()
    return home


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> Table:
    """Return a table; `right` names the columns to align right (numbers)."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if value is None else value if isinstance(value, str) else escape(str(value)) for value in row))
    return made
