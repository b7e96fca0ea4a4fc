"""Look the reviewed look-ups of `seeds/` through before dbt loads them: every error at once, each with file, line and column.

dbt would take a key that comes twice, and double what is joined to it before the test that finds it has run.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from ingestion.register.read import Problem

ALWAYS_FILLED = ("forfatter", "dato", "begrundelse")
"""Who wrote a row of a look-up, when and why."""
_FIELD = re.compile(r'("(?:[^"]|"")*"|[^,"]*)(?:,|$)')


def _boolean(value: str) -> None:
    if value not in ("true", "false"):
        raise ValueError


_TYPES: dict[str, tuple[Callable[[str], object], str]] = {
    "date": (date.fromisoformat, "a date such as 2026-11-24"),
    "integer": (int, "a whole number"),
    "boolean": (_boolean, "true or false"),
    "decimal": (Decimal, "a number with a decimal point"),
}


@dataclass(frozen=True)
class Row:
    """A row of a look-up: its values by column, and where each begins (line and column from 1)."""

    file: Path
    line: int
    values: dict[str, str]
    columns: dict[str, int]

    def problem(self, column: str, message: str) -> Problem:
        return Problem(self.file, self.line, self.columns[column], message)


def read_seed(path: Path) -> tuple[list[Row], list[Problem]]:
    """Return the rows of a look-up that can be read, and what is wrong with the others. A value holds no line break."""
    rows: list[Row] = []
    problems: list[Problem] = []
    header: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            (values,) = csv.reader([line], strict=True)
        except csv.Error:
            problems.append(Problem(path, number, 1, "a quote is not closed. Double the quotes inside a value"))
            continue
        header = header or values
        if len(values) != len(header):
            message = f"{len(values)} values for {len(header)} columns. Put a value with a comma in quotes"
            problems.append(Problem(path, number, 1, message))
        elif header is not values:
            starts = [match.start() + 1 for match in _FIELD.finditer(line)]
            rows.append(Row(path, number, dict(zip(header, values, strict=True)), dict(zip(header, starts, strict=False))))
    return rows, problems


def seed_problems(folder: Path) -> list[Problem]:
    """Return everything that is wrong with the look-ups in `folder`, by what its `_seeds.yml` says of them."""
    described = yaml.safe_load((folder / "_seeds.yml").read_text(encoding="utf-8"))["seeds"]
    return sorted(problem for seed in described for problem in _problems_of(folder / f"{seed['name']}.csv", seed))


def _problems_of(path: Path, seed: dict[str, Any]) -> Iterator[Problem]:
    rows, problems = read_seed(path)
    yield from problems
    types = seed["config"]["column_types"]
    if rows and list(rows[0].values) != list(types):
        yield Problem(path, 1, 1, f"the columns are not those of _seeds.yml. Write {','.join(types)}")
        return
    keys = [test["unique_key"]["arguments"]["columns"] for test in seed.get("data_tests", ()) if "unique_key" in test]
    for row in rows:
        for column, type_ in types.items():
            value = row.values[column]
            convert, form = _TYPES.get(type_, (str, ""))
            try:
                if value:
                    convert(value)
            except (ValueError, InvalidOperation):
                yield row.problem(column, f"'{value}' is not {form}. Write it so")
            if not value and (column in ALWAYS_FILLED or any(column in key for key in keys)):
                yield row.problem(column, f"'{column}' is empty. Fill it in")
    for key in keys:
        seen: dict[tuple[str, ...], int] = {}
        for row in rows:
            value = tuple(row.values[column] for column in key)
            first = seen.setdefault(value, row.line)
            if first != row.line:
                yield row.problem(
                    key[0], f"{', '.join(key)} '{', '.join(value)}' stands in line {first} already. Keep one of them"
                )
