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

from ingestion.naming import fold
from ingestion.register.model import Register
from ingestion.register.read import Problem, RegisterError

ALWAYS_FILLED = ("forfatter", "dato", "begrundelse")
"""Who wrote a row of a look-up, when and why."""
MENDINGS = "vaerdirettelser.csv"
"""Values of sources that are read as others: which, instead of which, who decided it, when and why."""
Mendings = dict[tuple[str, str], dict[str, dict[str, str]]]
"""System and table → column in the raw zone → value as it stands → value to be read instead ("" for none)."""
_PERSON = re.compile(r"(?<!\d)(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d{2}[- ]?\d{4}(?!\d)")
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
        return Problem(self.file, self.line, self.columns.get(column, 1), message)


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
    uniques = [test["unique_key"] for test in seed.get("data_tests", ()) if "unique_key" in test]
    keys = [unique["arguments"]["columns"] for unique in uniques]
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
    for key, unique in zip(keys, uniques, strict=True):
        where = unique.get("config", {}).get("where", "")
        seen: dict[tuple[str, ...], int] = {}
        for row in rows:
            found = tuple(row.values[column] for column in key)
            first = seen.setdefault(found, row.line) if _holds(where, row) else row.line
            if first != row.line:
                again = f"stands in line {first} already{where and f' where {where}'}"
                yield row.problem(key[0], f"{', '.join(key)} '{', '.join(found)}' {again}. Keep one of them")


def _holds(where: str, row: Row) -> bool:
    """Whether a row is one that a test's `where` (`column = 'value'`) asks about."""
    column, _, value = where.partition(" = ")
    return not where or row.values[column] == value.strip("'")


def read_mendings(folder: Path, register: Register) -> Mendings:
    """Return the values that are to be read as others, which the generator writes into staging and quarantine.

    Raises:
        RegisterError: the look-up, or the register by it, has errors; all of them, each with file, line and column.
    """
    path, systems = folder / MENDINGS, folder.parent / "ingestion" / "systems"
    rows, _ = read_seed(path) if path.exists() else ([], [])
    # What is wrong with it as with any look-up comes with the others.
    problems = seed_problems(folder) if path.exists() else []
    found: Mendings = {}
    for row in rows:
        system_id = row.values.get("system_id", "")
        if system_id not in register.systems and any(systems.glob(f"*/{system_id}.yml")):
            # Its register file cannot be read: that is told there, and keeps no other system's values from being mended.
            continue
        if wrong := _not_to_be_mended(row, register):
            problems.append(row.problem(*wrong))
        elif not problems:
            value = row.values
            table = found.setdefault((value["system_id"], value["tabel"]), {})
            table.setdefault(fold(value["kolonne"]), {})[value["vaerdi"]] = value["rettet_vaerdi"]
    if problems:
        raise RegisterError(problems)
    return found


def _not_to_be_mended(row: Row, register: Register) -> tuple[str, str] | None:
    """Return in which column of the look-up something is wrong by the register, and what."""
    system_id, name, source, before, after = (
        row.values.get(field, "") for field in ("system_id", "tabel", "kolonne", "vaerdi", "rettet_vaerdi")
    )
    if (system := register.systems.get(system_id)) is None:
        return "system_id", f"no system '{system_id}'. `faellesdata systems list` shows which there are"
    if (table := system.tables.get(name)) is None:
        return "tabel", f"{system_id} has no table '{name}'. Use one of: {', '.join(system.tables)}"
    if (column := table.columns.get(source)) is None:
        return "kolonne", f"{name} has no column '{source}'. Write it as in the register: {', '.join(table.columns)}"
    if column.type == "cpr" or column.direct_identifier or column.free_text:
        return "kolonne", f"'{source}' names persons, and a look-up is read by all. Have it mended in {system.title}"
    for field, value in (("vaerdi", before), ("rettet_vaerdi", after)):
        if column.type != "pnr" and _PERSON.search(value):
            return field, "it reads as a CPR number, and a look-up is read by all. Have it mended in the source"
        if value != value.strip():
            return field, "blanks around a value are taken away before it is looked up. Write it without"
    if before == after:
        return "rettet_vaerdi", f"'{after}' is what stands there already. Write what it is to be read as"
    if column.values and after and after not in column.values:
        return "rettet_vaerdi", f"'{after}' is not accepted in '{source}'. Use one of: {', '.join(column.values)}"
    return None
