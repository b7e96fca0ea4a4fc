"""What Dagster loads (`workspace.yaml`). Opens no connection and no data file; a broken register file costs that system alone."""

from __future__ import annotations

import subprocess
import sys

from orchestration.loading import quickly

with quickly():
    from dagster import get_dagster_logger

    from ingestion.home import Home
    from ingestion.register import read_leniently
    from orchestration.build import build_defs
    from orchestration.dbt import manifest_is_current

    home = Home.find()
    register, problems = read_leniently()
    for problem in problems:
        get_dagster_logger().error(str(problem))
    if not manifest_is_current(register, home):
        # `faellesdata refresh` and `ui` prepare it; this is for a plain `dagster dev` and for a project that has changed since.
        # In a process of its own, so that dbt's parser and DuckDB are not held by every process that loads this module.
        outcome = subprocess.run([sys.executable, "-m", "orchestration.prepare"], check=False, capture_output=True, text=True)
        if outcome.returncode != 0:
            get_dagster_logger().error(f"The dbt manifest is not up to date: {outcome.stderr.strip()}")

    defs = build_defs(register, home=home, manifest_path=home.manifest, problems=problems)
    # Dagster would resolve the graph a moment later, and keeps what it has resolved.
    defs.get_repository_def().load_all_definitions()
