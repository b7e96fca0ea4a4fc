"""Messages are logged, mailed and shown to all who see the UI, and what they quote may hold a CPR number."""

from __future__ import annotations

from ingestion.cpr import masked


def one_line(said: object) -> str:
    """Return what a source, a database or dbt says on one line, without CPR numbers."""
    return "no reason given" if said is None else masked(" ".join(str(said).split()))
