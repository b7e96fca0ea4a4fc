"""Rows as the HTTP systems keep them: JSON, written once by the build and handed out page by page without being parsed again.

A file `<table>.jsonl` has one row per line: the sort value (what the table can be asked for changes by; may be empty), a tab, and
the row as compact JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def write_rows(folder: Path, table: str, rows: Iterable[tuple[str, Row]]) -> int:
    """Write `rows`, each with its sort value, to `<folder>/<table>.jsonl`; return how many there were."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    with (folder / f"{table}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for sort, row in rows:
            file.write(f"{sort}\t{encode(row)}\n")
            count += 1
    return count


class StoredTable:
    """The rows of one table, read from disk at the first request and kept as bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._rows: list[bytes] = []
        self._sort: list[str] = []
        self._selections: dict[object, list[int]] = {}

    def _load(self) -> None:
        # A test may write the file anew while the server runs: the next night's data.
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp == self._stamp:
            return
        pairs = [line.partition(b"\t") for line in self.path.read_bytes().split(b"\n") if line]
        self._sort = [key.decode() for key, _, _ in pairs]
        self._rows = [row for _, _, row in pairs]
        self._selections = {}
        self._stamp = stamp

    def __len__(self) -> int:
        self._load()
        return len(self._rows)

    def sort_values(self) -> list[str]:
        """The sort value of every row, in order."""
        self._load()
        return self._sort

    def parsed(self) -> list[dict[str, Any]]:
        """Every row as a dict. Slow: for questions that the sort value doesn't answer."""
        self._load()
        return [json.loads(row) for row in self._rows]

    def remember(self, question: object, indices: list[int]) -> list[int]:
        """Keep the answer to a filter, so that its next pages need no new scan."""
        if len(self._selections) > 16:
            self._selections.clear()
        self._selections[question] = indices
        return indices

    def remembered(self, question: object) -> list[int] | None:
        self._load()
        return self._selections.get(question)

    def since(self, value: str) -> list[int]:
        """Positions of the rows whose sort value is `value` or later. Rows without one are not among them."""
        found = self.remembered(value)
        if found is None:
            found = self.remember(value, [index for index, key in enumerate(self.sort_values()) if key and key >= value])
        return found

    def page(self, start: int, size: int, among: list[int] | None = None) -> list[bytes]:
        """Return up to `size` rows from position `start`, of all rows or of those at the positions `among`."""
        self._load()
        if among is None:
            return self._rows[start : start + size]
        return [self._rows[index] for index in among[start : start + size]]
