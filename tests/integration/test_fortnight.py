"""Fourteen nights of a small municipality, with faults as they come: in the end all data are there, each fault was told once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from municipality_support import DEPARTMENTS, Municipality
from postbox_support import Postbox

pytestmark = pytest.mark.timeout(900)
NIGHTS = range(1, 15)
REFRESH = """
import sys
from pathlib import Path
import orchestration.dbt as dbt
from ingestion.home import Home
from orchestration.refresh import refresh
root = Path(sys.argv[1])
dbt.PROJECT, dbt.ROOT, dbt.INPUTS = root / "dbt_project", root, (root / "dbt_project",)
refresh(Home(root / "home"), folder=root / "systems", progress=lambda progress: print(progress.stage, flush=True))
"""


class Fortnight:
    """What the sources deliver night by night, and what there must be in the end."""

    def __init__(self, municipality: Municipality) -> None:
        self.municipality = municipality

    def deliver(self, system_id: str, night: int, *, header: str = "nr;navn", more: str = "", rows: int = 5) -> None:
        """Deliver the file of a night; once more to mend it."""
        lines = [header] + [f"{night * 100 + row};række {row}{more}" for row in range(rows)]
        self.path(system_id, night).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def path(self, system_id: str, night: int) -> Path:
        return self.municipality.sources / system_id / f"ting-{night:02}.csv"

    def killed(self, root: Path, stage: str) -> None:
        """Start a refresh in a process of its own and kill it when it has come to `stage`."""
        process = subprocess.Popen([sys.executable, "-c", REFRESH, str(root)], stdout=subprocess.PIPE, text=True, env=os.environ)
        assert process.stdout is not None
        reached = any(line.startswith(stage) for line in process.stdout)
        process.kill()
        process.communicate()
        assert reached, f"it was to be killed in {stage}"


def test_a_fortnight(municipality: Municipality, postbox: Postbox, tmp_path: Path) -> None:
    fortnight = Fortnight(municipality)
    told: dict[int, list[tuple[str, str]]] = {}
    away = tmp_path / "away"
    for night in NIGHTS:
        if night == 4:
            shutil.move(away, municipality.sources / "alfa")
        for system_id in DEPARTMENTS:
            if (system_id, night) != ("beta", 5):  # late: comes with the next
                fortnight.deliver(system_id, night)
        if night == 3:  # the folder is not there
            shutil.move(municipality.sources / "alfa", away)
        if night == 6:
            fortnight.deliver("beta", 5)
        if night == 7:  # a new column: taken note of, nobody woken
            fortnight.deliver("gamma", 7, header="nr;navn;ekstra", more=";ny")
        if night == 8:  # a column that is gone
            fortnight.path("gamma", 8).write_text("nr\n800\n801\n802\n803\n804\n")
        if night == 9:
            fortnight.deliver("gamma", 8)
        if night == 10:  # not text at all
            fortnight.path("alfa", 10).write_bytes(bytes(range(256)) * 8)
        if night == 11:
            fortnight.deliver("alfa", 10)
        if night in (12, 13):
            fortnight.killed(tmp_path, {12: "Load", 13: "Build"}[night])
        municipality.refresh()
        told[night] = [(to.split("@")[0], subject.removeprefix("Fællesdata: ")) for to, subject, _ in postbox.take()]
    down, mended = "System {} kunne ikke hentes", "1 rettet"
    assert {night: mails for night, mails in told.items() if mails} == {
        3: [("alfa", down.format("alfa"))],
        4: [("alfa", mended)],
        8: [("gamma", down.format("gamma"))],
        9: [("gamma", mended)],
        10: [("alfa", down.format("alfa"))],
        11: [("alfa", mended)],
    }
    expected = 2 + 5 * len(NIGHTS)  # the municipality starts with two rows
    assert {system_id: municipality.rows(f"mart_{system_id}") for system_id in DEPARTMENTS} == dict.fromkeys(
        DEPARTMENTS, expected
    )
