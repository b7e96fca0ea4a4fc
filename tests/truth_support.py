"""How the generator's truth is read."""

from __future__ import annotations

from typing import Any


def planted(truth: dict[str, Any], system: str, table: str, column: str) -> int:
    """Return how many values of a column were spoilt."""
    kinds = truth["planted"][system][table]
    return sum(count for kind, count in kinds.items() if kind.startswith(f"{column}:"))
