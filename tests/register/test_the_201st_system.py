"""The 201st system is one new file: no Python, no other file changed by hand.

Done in a temporary copy of the repository, with the commands a data engineer would use.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from register_support import library

from ingestion.home import Home

ROOT = Path(__file__).resolve().parents[2]

SYSTEM = library(
    "bibliotek_cicero",
    """\
  udlaan:
    title: Udlån
    description: Et udlån pr. række.
    key: [Udlån nr.]
    write: append
    expected_rows: {min: 1, max: 100000}
    source: {format: csv, glob: "udlaan*.csv", encoding: cp1252}
    columns:
      Udlån nr.: {type: integer, name: udlaan_nr, label: Udlån, description: Udlånets nummer}
      Låner: {type: cpr, name: person_id, label: Låner, description: Låneren, pii: P2, key_domain: citizen}
      Udlånt: {type: date_dk, name: udlaant, label: Udlånt, description: Dato for udlån, pii: P1}
      Gebyr: {type: decimal_dk, name: gebyr, label: Gebyr, description: Gebyr i kroner}
""",
)
ROWS = """\
Udlån nr.;Låner;Udlånt;Gebyr\r
1;010190-1234;01-02-2026;1.234,50\r
2;020290-4321;31-02-2026;0,00\r
3;020290-4321;03-02-2026;gratis\r
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("repository")
    ours = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(ours, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    # Another test says whether the generated files are in step; here they are to begin with.
    run(target, "-m", "cli.main", "systems", "generate")
    for command in ("init -q", "add -A", "-c user.name=t -c user.email=t@t commit -qm base"):
        subprocess.run(["git", *command.split()], cwd=target, check=True)
    return target


def run(copy: Path, *arguments: str, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "DO_NOT_TRACK": "1", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


ASSETS = """
import json
from orchestration.definitions import defs
graph = defs.resolve_asset_graph() if hasattr(defs, "resolve_asset_graph") else defs.get_asset_graph()
keys = {"/".join(key.path) for key in graph.get_all_asset_keys()}
node = next(graph.get(key) for key in graph.get_all_asset_keys() if "/".join(key.path) == "raw/bibliotek_cicero/udlaan")
checks = [f"{'/'.join(c.asset_key.path)}:{c.name}" for c in graph.asset_check_keys]
jobs = {}
for name in ("nightly_load", "nightly_build"):
    jobs[name] = ["/".join(key.path) for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys]
print(json.dumps({"keys": sorted(keys), "owners": list(node.owners), "group": node.group_name, "checks": checks, "jobs": jobs}))
"""


def test_the_201st_system(copy: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "udlaan-1.csv").write_bytes(ROWS.encode("cp1252"))
    register_file = copy / "ingestion/systems/kultur_fritid_borgerservice/bibliotek_cicero.yml"
    register_file.write_text(SYSTEM, encoding="utf-8")

    run(copy, "-m", "cli.main", "systems", "validate")
    run(copy, "-m", "cli.main", "systems", "generate")
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=copy, capture_output=True, text=True, check=True).stdout
    by_hand = [line for line in changed.splitlines() if "dbt_project/models/" not in line and register_file.name not in line]
    assert by_hand == []
    staging = copy / "dbt_project/models/staging/kultur_fritid_borgerservice/bibliotek_cicero/stg_bibliotek_cicero__udlaan.sql"
    assert staging.exists()

    setting = {"BIBLIOTEK_CICERO_FOLDER": str(drop)}
    run(copy, "-m", "cli.main", "refresh", "--system", "bibliotek_cicero", "--home", str(home.path), **setting)

    with duckdb.connect(str(home.warehouse), read_only=True) as warehouse:
        schema = "staging"
        rows = warehouse.execute(
            f"select udlaan_nr, person_id is not null, udlaant, gebyr from {schema}.stg_bibliotek_cicero__udlaan order by 1"
        ).fetchall()
        assert [(row[0], row[1], row[2] and row[2].isoformat(), row[3] and float(row[3])) for row in rows] == [
            (1, True, "2026-02-01", 1234.5),
            (2, True, None, 0.0),
            (3, True, "2026-02-03", None),
        ]
        quarantined = warehouse.execute(
            "select table_name, column_name, source_ref, source_row, row_dropped from quality.quarantine "
            "where system_id = 'bibliotek_cicero' order by source_row"
        ).fetchall()
        assert quarantined == [("udlaan", "udlaant", "udlaan-1.csv", 3, False), ("udlaan", "gebyr", "udlaan-1.csv", 4, False)]

    published = home.published / "bi_netvaerk/current/faellesdata.duckdb"
    with duckdb.connect(str(published.resolve()), read_only=True) as role:
        assert role.execute("select count(*) from dim_system where system_id = 'bibliotek_cicero'").fetchone() == (1,)

    found = json.loads(run(copy, "-c", ASSETS, FAELLESDATA_HOME=str(home.path), **setting).strip().splitlines()[-1])
    assert {"raw/bibliotek_cicero/udlaan", "staging/stg_bibliotek_cicero__udlaan"} <= set(found["keys"])
    assert "bibliotek@odsherred.example" in found["owners"]
    assert found["group"] == "kultur_fritid_borgerservice"
    assert any(check.startswith("raw/bibliotek_cicero/udlaan:") for check in found["checks"])
    assert "raw/bibliotek_cicero/udlaan" in found["jobs"]["nightly_load"]
    assert "staging/stg_bibliotek_cicero__udlaan" in found["jobs"]["nightly_build"]
