"""The controlled lists of `ingestion/vocabulary/`, read once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "vocabulary"


@dataclass(frozen=True)
class Term:
    """An entry of a controlled list: its code, its Danish title and whatever else the list says of it."""

    code: str
    title: str
    extra: dict[str, str]


@cache
def terms(name: str) -> dict[str, Term]:
    """Return the list `name` (the file `vocabulary/<name>.yml`) by code, in the order of the file."""
    entries = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return {
        str(code): Term(str(code), entry["title"], {k: v for k, v in entry.items() if k != "title"})
        for code, entry in entries.items()
    }


def cron_is_valid(cron: str) -> bool:
    """Whether Dagster can start something by it: five fields, and a day that its month has."""
    from croniter import croniter  # type: ignore[import-untyped]  # stubs are a package of their own

    return len(cron.split()) == 5 and bool(croniter.is_valid(cron, strict=True))
