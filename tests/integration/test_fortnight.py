"""Fourteen nights of a small municipality, with faults as they come: in the end all data are there, each fault was told once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from municipality_support import DEPARTMENTS, Municipality
from postbox_support import Postbox

import ingestion.landing
import orchestration.morning
import orchestration.raw
import orchestration.warehouse
from ingestion.danish_time import DENMARK

pytestmark = pytest.mark.timeout(900)
NIGHTS = range(1, 15)
FIRST = datetime(2026, 10, 18, 3, tzinfo=DENMARK)
"""03:00 of the first night. The clock goes back in the eighth, so that night is 25 hours after the one before."""
CLOCKS = (ingestion.landing, orchestration.morning, orchestration.raw, orchestration.warehouse)
REFRESH = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2], str(Path(sys.argv[2]).parent)]
from test_fortnight import set_clocks
set_clocks(int(sys.argv[3]), setattr)
import orchestration.dbt as dbt
from ingestion.home import Home
from orchestration.refresh import refresh
root = Path(sys.argv[1])
dbt.PROJECT, dbt.ROOT, dbt.INPUTS = root / "dbt_project", root, (root / "dbt_project",)
refresh(Home(root / "home"), folder=root / "systems", progress=lambda progress: print(progress.stage, flush=True))
"""


def set_clocks(night: int, put: Callable[[object, str, object], None]) -> None:
    """Let those who ask for the time hear that it is the night's."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            at = (FIRST + timedelta(days=night - 1)).astimezone(UTC) + timedelta(seconds=time.monotonic() - STARTED)
            return cls.fromtimestamp(at.timestamp(), tz)

    for module in CLOCKS:
        put(module, "datetime", Clock)


STARTED = time.monotonic()


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

    def killed(self, root: Path, stage: str, night: int) -> None:
        """Start a refresh in a process of its own and kill it when it has come to `stage`."""
        command = [sys.executable, "-c", REFRESH, str(root), str(Path(__file__).parent), str(night)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert process.stdout is not None
        reached = any(line.startswith(stage) for line in process.stdout)
        process.kill()
        process.communicate()
        assert reached, f"it was to be killed in {stage}"


def test_a_fortnight(municipality: Municipality, postbox: Postbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fortnight = Fortnight(municipality)
    path = municipality.register / DEPARTMENTS["beta"] / "beta.yml"
    path.write_text(path.read_text().replace("error_after_hours: 60", "error_after_hours: 60, delivery_after_hours: 20"))
    told: dict[int, list[tuple[str, str]]] = {}
    changed: dict[int, int] = {}
    times: dict[int, str] = {}
    away = tmp_path / "away"
    for night in NIGHTS:
        set_clocks(night, monkeypatch.setattr)
        if night == 4:
            shutil.move(away, municipality.sources / "alfa")
        for system_id in DEPARTMENTS:
            if (system_id, night) != ("beta", 5):  # late: comes with the next
                fortnight.deliver(system_id, night)
        if night == 3:  # the folder is not there
            shutil.move(municipality.sources / "alfa", away)
        if night == 6:
            fortnight.deliver("beta", 5)
        if night == 7:  # a new column
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
            fortnight.killed(tmp_path, {12: "Load", 13: "Build"}[night], night)
        municipality.refresh()
        told[night] = [(to.split("@")[0], subject.removeprefix("Fællesdata: ")) for to, subject, _ in postbox.take()]
        changed[night] = municipality.home.morning_page.read_text(encoding="utf-8").count("Nye kolonner")
        times[night] = json.loads(municipality.home.heartbeat.read_text(encoding="utf-8"))["at"]
    hours = {
        night: (datetime.fromisoformat(at) - datetime.fromisoformat(times[night - 1])) for night, at in list(times.items())[1:]
    }
    longer = [night for night, between in hours.items() if between > timedelta(hours=24, minutes=45)]
    assert longer == [8], "the clock went back once, and no night was skipped or doubled for it"
    assert [night for night, count in changed.items() if count] == [7], "a new column is on that morning's page"
    down, mended = "System {} kunne ikke hentes", "1 rettet"
    assert {night: mails for night, mails in told.items() if mails} == {
        3: [("alfa", down.format("alfa"))],
        4: [("alfa", mended)],
        5: [("beta", "En leverance til System beta mangler")],
        6: [("beta", mended)],
        7: [("gamma", "System gamma har fået eller mistet kolonner")],
        8: [("gamma", down.format("gamma"))],
        9: [("gamma", mended)],
        10: [("alfa", down.format("alfa"))],
        11: [("alfa", mended)],
    }
    expected = 2 + 5 * len(NIGHTS)  # the municipality starts with two rows
    assert {system_id: municipality.rows(f"mart_{system_id}") for system_id in DEPARTMENTS} == dict.fromkeys(
        DEPARTMENTS, expected
    )
