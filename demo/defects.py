"""Spoil rows the way their systems do: a few, at known places, each told to the truth.

Rows pass one by one, so that a large table need not stand in memory: what is to be spoilt is decided by position beforehand.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from demo.database import write_copy
from demo.rows import Row, write_rows
from demo.truth import Truth
from ingestion.naming import fold

Change = Callable[[dict[str, Any]], None]
CANNOT_CONVERT = "kan ikke konverteres"
MISSING = "mangler"
UNKNOWN_VALUE = "ukendt værdi"
NO_CURSOR = "vandmærke mangler"
"""No value by which a source tells what is new: the register says whether the row comes along or is set aside."""
DUPLICATE_ROW = "dubleret række"


class Defects:
    """The defects of one table with `count` clean rows.

    With `among`, only rows at those positions are spoilt: so that a total which people ask for can be told to the øre.
    """

    def __init__(self, truth: Truth, system: str, table: str, count: int, among: Sequence[int] | None = None) -> None:
        self.truth = truth
        self.system = system
        self.table = table
        self.count = count
        rng = random.Random(f"{truth.seed}/{system}/{table}")
        candidates = range(count) if among is None else among
        self._free = rng.sample(candidates, min(len(candidates), 100))
        self._changes: dict[int, Change] = {}
        self._again: set[int] = set()
        self.dropped: set[int] = set()
        """Positions of rows that cannot reach staging."""
        self.unreadable: dict[str, set[int]] = {}
        """Column → positions where its value does not convert."""

    def plant(self, column: str, reason: str, count: int, change: Change, *, drops_row: bool = False) -> None:
        """Spoil `column` in `count` rows (fewer in a small table) by `change`. `drops_row`: such a row does not reach staging."""
        for _ in range(min(count, len(self._free) // 2)):  # half of a tiny table stays sound
            position = self._free.pop()
            self._changes[position] = change
            if drops_row:
                self.dropped.add(position)
            self.unreadable.setdefault(column, set()).add(position)
            self.truth.plant(self.system, self.table, f"{fold(column)}: {reason}")

    def put(self, column: str, reason: str, count: int, *values: Any, drops_row: bool = False) -> None:
        """Spoil `column`, a member of the row itself, by writing one of `values` into it."""
        given = iter(values * (count // len(values) + 1))
        self.plant(column, reason, count, lambda row: row.__setitem__(column, next(given)), drops_row=drops_row)

    def repeat_at_page_end(self, page_size: int) -> None:
        """Serve the last row of the first page again on the second, as when rows move between two requests."""
        if self.count > page_size:
            position = page_size - 1
            if position in self._changes:
                position = next(i for i in range(page_size - 1, -1, -1) if i not in self._changes)
            self._again.add(position)
            self.truth.plant(self.system, self.table, DUPLICATE_ROW)

    def kept(self, column: str, position: int) -> bool:
        """Whether the value of `column` at `position` reaches staging."""
        return position not in self.dropped and position not in self.unreadable.get(column, ())

    def spoil(self, rows: Iterable[tuple[str, dict[str, Any]]], sort_column: str = "") -> Iterator[tuple[str, Row]]:
        """Yield the rows with their defects. A row whose `sort_column` has been emptied has no sort value either."""
        for position, (sort, row) in enumerate(rows):
            change = self._changes.get(position)
            if change is not None:
                change(row)
                if sort_column and row[sort_column] is None:
                    sort = ""
            yield sort, row
            if position in self._again:
                yield sort, row

    def write(self, folder: Path, rows: Iterable[tuple[str, dict[str, Any]]], sort_column: str = "", **sums: int | str) -> None:
        """Write the spoilt rows where the server finds them, and tell the truth how many there are and how many reach staging."""
        served = write_rows(folder, self.table, self.spoil(rows, sort_column))
        self.truth.table(self.system, self.table, served, staging=self.count - len(self.dropped), **sums)

    def copy(self, folder: Path, file: str, rows: Iterable[dict[str, Any]], **sums: int | str) -> None:
        """Write the spoilt rows as the database table `file`, each value in its column's place, and tell the truth as `write`."""
        served = write_copy(folder, file, (row.values() for _, row in self.spoil(("", row) for row in rows)))
        self.truth.table(self.system, self.table, served, staging=self.count - len(self.dropped), **sums)


def broken_cpr(cpr: str) -> str:
    """Return ten digits that no CPR number can be: the month is 13 or later."""
    return cpr[:2] + str(int(cpr[2]) + 2) + cpr[3:]


def with_cpr(text: str, cpr: str) -> str:
    """Return a note in which somebody has written the citizen's CPR number."""
    return f"{text} (cpr {cpr[:6]}-{cpr[6:]})"
