"""Messages are logged, mailed and shown to all who see the UI, and what they quote may hold a CPR number."""

from __future__ import annotations

import re

from ingestion.cpr import masked

_SERVER = re.compile(r"((?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}:[0-9]{2,5}(?![0-9]))")
"""A server by its number: `10.20.10.25:1433` reads as a CPR number too, and is what whoever is on call asks for first."""


def one_line(said: object) -> str:
    """Return what a source, a database or dbt says on one line, without CPR numbers."""
    if said is None:
        return "no reason given"
    parts = _SERVER.split(" ".join(str(said).split()))
    return "".join(part if number % 2 else masked(part) for number, part in enumerate(parts))
