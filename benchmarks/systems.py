"""The fixed cost of a load: many systems with five small tables each, in one process; budget 0.4 s a system.

`python benchmarks/systems.py [systems]` prints wall and CPU time per system, for a first load and for one that finds nothing new.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from landing import register

from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register import System

TABLES = 5


def many(systems: list[System], home: Home, label: str) -> None:
    began, burnt = time.perf_counter(), time.process_time()
    for system in systems:
        assert not land_system(system, home).failed
    wall, burnt = time.perf_counter() - began, time.process_time() - burnt
    print(f"{label:12} {wall / len(systems):.2f} s a system, {burnt / len(systems):.2f} s of CPU")


def main(number: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        drop = Path(name) / "drop"
        drop.mkdir()
        rows = [f"{i};1;2;3;tekst;1.50;0.10;7;2026-01-01;2026-01-01;2026-01-01 00:00:00;true" for i in range(100)]
        heading = "id;konto;omkostningssted;bilag;tekst;belob;moms;antal;bogfoert;valuta;rettet;aktiv"
        (drop / "posteringer.csv").write_text("\n".join([heading, *rows]) + "\n")
        connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
        made = register(Path(name), "system", connection, {"format": "csv", "glob": "*.csv"})
        tables = {f"tabel_{place}": made.tables["posteringer"] for place in range(TABLES)}
        systems = [made.model_copy(update={"id": f"system_{place}", "tables": tables}) for place in range(number)]
        home = Home(Path(name) / "home")
        many([made], home, "imports")
        many(systems, home, "first load")
        many(systems, home, "nothing new")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
