"""Nights of the practice municipality: one in which every system breaks in its own way, and the ones after.

One story over one home, because each night costs some half a minute: the steps run in order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_a_good_night as good_night
from town_support import ROLE, Town

FAULTS = {
    "nexus": {"mode": "500"},
    "momentum": {"mode": "hang", "table": "kontaktforloeb"},
    "vagtplan": {"mode": "401"},
    "dubu": {"mode": "truncate", "table": "underretninger"},
    "geoenviron": {"mode": "drop_column:received_date"},
    "os2kitos": {"mode": "new_column:nytFelt", "table": "it_systemer"},
    "jobindsats": {"mode": "empty"},
    "opus_oekonomi": {"mode": "500", "table": "posteringer"},
}
BROKEN = {
    # What `faellesdata status` must say of each broken table: words that lead to the cause.
    ("nexus", "borgere"): "500",
    ("nexus", "indsatser"): "500",
    ("nexus", "besoeg"): "500",
    ("momentum", "kontaktforloeb"): "",
    ("vagtplan", "vagter"): "401",
    ("dubu", "underretninger"): "",
    ("geoenviron", "byggesager"): "received_date",
    ("jobindsats", "ydelsesmodtagere"): "",
    ("opus_oekonomi", "posteringer"): "500",
    ("opus_loen", "org_enheder"): "ZLPE20261123030000_delta.xml",
    ("opus_loen", "ansaettelser"): "ZLPE20261123030000_delta.xml",
    ("ydelsesrefusion", "beregninger"): "2027-01-01.csv",
    ("specialtilbud", "placeringer"): "Specialtilbud 2026.xlsx",
    ("specialtilbud", "takster"): "Specialtilbud 2026.xlsx",
    ("cpr_sf6002", "personer"): "L431101",
    ("cpr_sf6002", "adresser"): "L431101",
    ("cpr_sf6002", "beskyttelse"): "L431101",
    ("cpr_sf6002", "tidligere_cpr"): "L431101",
    ("cpr_sf6002", "navne"): "L431101",
    ("cpr_sf6002", "boern"): "L431101",
    ("kmd_elev", "institutioner"): "password",
    ("kmd_elev", "indskrivninger"): "password",
    ("kmd_elev", "fravaer"): "password",
}


@pytest.fixture(autouse=True, scope="module")
def _served(town: Town) -> Iterator[None]:
    with town.served():
        yield


@pytest.fixture
def broken(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Break all systems, each in its own way, and mend them afterwards."""
    kept = tmp_path / "kept"
    files = ("cpr_sf6002", "specialtilbud", "opus_loen", "ydelsesrefusion")
    for system in files:
        shutil.copytree(town.folder(system), kept / system)
    for system, fault in FAULTS.items():
        (town.folder(system) / "fault.json").write_text(json.dumps(fault))
    whole = max(town.folder("opus_loen").rglob("ZLPE*.xml"))
    content = whole.read_bytes()
    (whole.parent / "ZLPE20261123030000_delta.xml").write_bytes(content[: len(content) // 2])
    csv = max(town.folder("ydelsesrefusion").rglob("*.csv"))
    late = csv.parent / re.sub(r"\d{4}-\d{2}-\d{2}", "2027-01-01", csv.name)
    late.write_bytes(csv.read_bytes().decode("cp1252").encode("utf-8"))
    (workbook,) = town.folder("specialtilbud").glob("*.xlsx")
    workbook.write_bytes(b"not a workbook")
    (records,) = town.folder("cpr_sf6002").glob("D*")
    lines = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(b"".join(lines[: len(lines) // 2]))
    monkeypatch.setenv("KMD_ELEV_PASSWORD", "forkert-kodeord-7c1e")
    yield
    for system in FAULTS:
        (town.folder(system) / "fault.json").unlink()
    late.unlink()
    (whole.parent / "ZLPE20261123030000_delta.xml").unlink()
    for system in files:
        shutil.copytree(kept / system, town.folder(system), dirs_exist_ok=True)


def test_a_broken_night_keeps_yesterday_and_builds_the_rest(town: Town, broken: None) -> None:
    before = (town.landed(), (town.home.published / ROLE / "current").resolve())
    result = town.refresh()
    load, *others = result.stages
    assert not result.ok
    assert set(load.failures) == {f"load_{system}" for system, _ in BROKEN}
    assert all(stage.ok for stage in others), others
    code, status = town.status()
    assert code == 1
    assert {key for key, entry in status.items() if entry["state"] == "failed"} == set(BROKEN)
    for (system, table), words in BROKEN.items():
        message = status[system, table]["message"]
        assert message.startswith(f"{system}.{table}: "), message
        assert words in message
        assert "\n" not in message
        assert f"{system}.{table}: " in load.failures[f"load_{system}"]
    # What the others gave is there, the new column told; nothing that was there is gone.
    assert status["os2kitos", "it_systemer"]["state"] == "fresh"
    assert any("nyt_felt" in check for check in load.warned_checks)
    assert town.landed() == before[0]
    assert (town.home.published / ROLE / "current").resolve() != before[1]
    failed = town.published("select system_id from mart_systemoverblik where friskhed = 'fejlet'")
    assert {row[0] for row in failed} == {system for system, _ in BROKEN}
    secrets = [value for name, value in os.environ.items() if name.endswith(("_PASSWORD", "_APIKEY", "_TOKEN", "_SECRET"))]
    secrets.append(town.home.vault_key.read_text())
    assert len(secrets) > 8
    kept = {town.home.connections, town.home.vault_key}
    for path in town.home.path.rglob("*"):
        if path.is_file() and path not in kept and not path.is_relative_to(town.home.demo):
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in secrets), path


REFRESH = """
import sys
from pathlib import Path
from ingestion.home import Home
from orchestration.refresh import refresh
def told(progress):
    print(progress.stage, progress.text, flush=True)
result = refresh(Home(Path(sys.argv[1])), folder=Path(sys.argv[2]), full="full" in sys.argv, progress=told)
sys.exit(0 if result.ok else 1)
"""


def kill(town: Town, stage: str, step: int, *how: str) -> None:
    """Start a refresh in a process of its own and kill it at this step of this stage."""
    process = subprocess.Popen(
        [sys.executable, "-c", REFRESH, str(town.home.path), str(town.register), *how], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += line.startswith(stage)
        if seen == step:
            break
    assert seen == step
    process.kill()
    process.communicate()
    # Readers of the published version notice nothing.
    assert town.published("select count(*) > 0 from mart_systemoverblik") == [(True,)]


def test_the_night_after_has_everything_once_though_it_was_killed_while_it_built(town: Town) -> None:
    kill(town, "Build", 40)
    result = town.refresh()
    assert result.ok, result.stages
    assert town.landed() == town.expected()
    assert town.status()[0] == 0
    good_night.test_the_quarantine_holds_what_was_planted_and_nothing_else(town)
    good_night.test_question_5_reconciles_with_the_truth(town)


def test_a_refresh_killed_while_it_loads_is_made_good_by_the_next(town: Town) -> None:
    # Full: without news hardly anything is written that a kill could spoil.
    kill(town, "Load", 6, "full")
    result = town.refresh()
    assert result.ok, result.stages
    assert town.landed() == town.expected()
