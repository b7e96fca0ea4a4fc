"""What the practice systems hold, and which defects were planted: the answer that loads and checks are measured against."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Truth:
    """Collected while the systems are written, kept as `<home>/demo/truth.json`."""

    scale: float
    seed: int
    systems: dict[str, dict[str, dict[str, int | str]]] = field(default_factory=dict)
    """System → table → `rows` (what the source holds, defects included) and sums; money as text in kroner."""
    planted: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """System → table → kind of defect → how many rows."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Totals across systems."""

    def table(self, system: str, table: str, rows: int, **sums: int | str) -> None:
        """Say how many rows the source holds or serves in `table`, and any sums."""
        self.systems.setdefault(system, {})[table] = {"rows": rows, **sums}

    def plant(self, system: str, table: str, kind: str, count: int = 1) -> None:
        """Say that `count` more rows of `table` have the defect `kind`.

        A kind is `<raw column>: <the quarantine's reason>`, or `dubleret række` and `dubleret nøgle` alone; for what cannot be
        read as a row, `afvist: <how the reject's reason begins>`, and `<raw column>: vandmærke mangler` for a missing cursor.
        """
        kinds = self.planted.setdefault(system, {}).setdefault(table, {})
        kinds[kind] = kinds.get(kind, 0) + count

    def write(self, path: Path) -> None:
        """Write as JSON with sorted keys, so that the same truth is the same file."""
        content = {name: getattr(self, name) for name in ("scale", "seed", "systems", "planted", "facts")}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Truth:
        return cls(**json.loads(path.read_text(encoding="utf-8")))
