"""The list of traps in `tests/README.md` names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent


def test_every_trap_has_a_test_that_is_there() -> None:
    listed = (TESTS / "README.md").read_text(encoding="utf-8").partition("## Traps")[2]
    named = re.findall(r"`(test_\w+)`", listed)
    defined = {
        name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    assert len(named) >= 11
    assert set(named) <= defined
