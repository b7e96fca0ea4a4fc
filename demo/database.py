"""A system's database in the practice PostgreSQL server: its definition, and its rows as COPY text until it is started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Value = str | int | float | None
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class Database:
    """One database with one schema, and a user who may read it."""

    name: str
    """Also the system's id."""
    namespace: str
    tables: str
    """SQL that makes the tables, in `namespace`."""
    files: tuple[str, ...]
    """The tables' names; the rows of each are in `<table>.copy`, in the order of its columns."""
    after: str = ""
    """SQL for when the rows are there."""

    @property
    def reader(self) -> str:
        return f"laeser_{self.name}"


def write_copy(folder: Path, table: str, rows: Iterable[Iterable[Value]]) -> int:
    """Write `rows` to `<folder>/<table>.copy`; return how many there were."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / f"{table}.copy").open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write("\t".join("\\N" if value is None else str(value).translate(_ESCAPED) for value in row) + "\n")
            count += 1
    return count
