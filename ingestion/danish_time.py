"""The clock by which a Danish municipality lives: days turn, and people read times, in Danish time wherever the server stands."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

DENMARK = ZoneInfo("Europe/Copenhagen")


def written(at: datetime) -> str:
    """Return `at` (aware) as staff read it: `26-11-2026 kl. 14.05`."""
    return f"{at.astimezone(DENMARK):%d-%m-%Y kl. %H.%M}"
