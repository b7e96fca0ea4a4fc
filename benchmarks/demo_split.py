"""Where the time of `faellesdata demo --scale 0.1` goes, and what Dagster adds to running the same functions bare.

`python benchmarks/demo_split.py [scale]` takes the practice municipality through the flow twice, each in a home of its own: by
its functions, timed one by one, and by the refresh that the command and the nightly schedule run.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import demo
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.platform import build_platform
from ingestion.register import read_register
from ingestion.vault import build_vault
from orchestration.dbt import DbtOutcome, build, prepare_manifest
from orchestration.refresh import refresh
from serving.publish import publish

seconds: Counter[str] = Counter()


@contextmanager
def timed(part: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[part] += time.perf_counter() - began


def bare(home: Home) -> None:
    register = read_register()
    for system in register.systems.values():
        with timed("landing, all"):
            load = land_system(system, home)
        assert not load.failed, load.tables
        for phase, spent in load.phases.items():
            seconds[f"landing: {phase}"] += spent
    with timed("vault and platform"):
        build_vault(register, home)
        build_platform(register, home)
    with timed("dbt parse"):
        prepare_manifest(register, home)
    with timed("dbt build and test"):
        outcome = DbtOutcome()
        nodes = sum(1 for _ in build(register, home, [], outcome))
    assert not outcome.failed_models, outcome
    with timed("publish"):
        publish(home, "bi_netvaerk")
    print(f"{nodes} dbt nodes")


def main(scale: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        first, second = Home(Path(name) / "bare"), Home(Path(name) / "dagster")
        for home, run in ((first, bare), (second, lambda home: refresh(home))):
            with timed(f"{home.path.name}: make the municipality"):
                demo.build(home, scale=scale)
            with demo.serve(home):
                home.load_settings()
                with timed(home.path.name):
                    run(home)
                # The second municipality has ports of its own.
                for setting in home.connections.read_text().splitlines():
                    os.environ.pop(setting.partition("=")[0], None)
    total = seconds["bare"]
    for part, spent in seconds.items():
        print(f"{part:35} {spent:7.2f} s {100 * spent / total:5.0f} %")
    added = seconds["dagster"] - total
    print(f"Dagster adds {added:.2f} s, {100 * added / total:.0f} % of the bare functions")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.1)
