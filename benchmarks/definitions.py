"""How long Dagster's definitions take to load with 200 systems: `python benchmarks/definitions.py [SYSTEMS]`.

Writes the register of a much larger municipality as YAML files (copies of the real ones under new ids), and a manifest with a
staging model and two tests for each table; then loads them in a fresh process, as the code server does. Budget: 3 s beyond
`import dagster`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "unit"))
BUDGET_SECONDS = 3.0
TABLES_PER_SYSTEM = 5
LOAD = """
import sys, time
from pathlib import Path
began = time.perf_counter()
import dagster
imported = time.perf_counter()
from orchestration.loading import quickly
with quickly():  # as orchestration.definitions does
    from ingestion.home import Home
    from ingestion.register import read_leniently
    register, problems = read_leniently(Path(sys.argv[1]) / "systems")
    assert not problems, problems[:3]
    read = time.perf_counter()
    from orchestration.build import build_defs
    definitions = build_defs(register, home=Home(Path(sys.argv[1])), manifest_path=Path(sys.argv[1]) / "manifest.json")
    built = time.perf_counter()
    repository = definitions.get_repository_def()
    repository.load_all_definitions()
done = time.perf_counter()
tables = sum(len(system.tables) for system in register.systems.values())
print(f"{len(register.systems)} systems, {tables} tables, {len(list(repository.asset_graph.get_all_asset_keys()))} assets")
print(f"import dagster       {imported - began:6.2f} s")
print(f"read the register    {read - imported:6.2f} s")
print(f"build definitions    {built - read:6.2f} s")
print(f"resolve jobs, graph  {done - built:6.2f} s")
print(f"beyond import        {done - imported:6.2f} s")
"""


def write_register(folder: Path, count: int) -> None:
    """Write `count` systems: the real files over and over, each copy with an id of its own."""
    sources = sorted((ROOT / "ingestion" / "systems").glob("*/*.yml"))
    for number in range(count):
        source, copy = sources[number % len(sources)], number // len(sources)
        text = source.read_text(encoding="utf-8")
        system_id = f"{source.stem}_{copy}" if copy else source.stem
        path = folder / source.parent.name / f"{system_id}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = yaml.safe_load(text)
        content["id"] = system_id
        # Five tables a system, as the 1,000 of 200 systems.
        tables = list(content["tables"].items())
        content["tables"] = {
            f"{name}_{round_}" if round_ else name: table
            for round_, (name, table) in (
                (number // len(tables), tables[number % len(tables)]) for number in range(TABLES_PER_SYSTEM)
            )
        }
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def main() -> None:
    from test_definitions import manifest

    from ingestion.register import read_leniently

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_register(folder / "systems", count)
        register, problems = read_leniently(folder / "systems")
        assert not problems, problems[:3]
        (folder / "manifest.json").write_text(json.dumps(manifest(register)))
        text = subprocess.run([sys.executable, "-c", LOAD, name], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    print(text, end="")
    seconds = float(text.rstrip().splitlines()[-1].split()[-2])
    print(f"budget               {BUDGET_SECONDS:6.2f} s: {'kept' if seconds <= BUDGET_SECONDS else 'EXCEEDED'}")


if __name__ == "__main__":
    main()
