"""Where the time of `faellesdata demo --scale 0.1` goes, and what Dagster adds to running the same functions bare.

`python benchmarks/demo_split.py [scale]` takes the practice municipality through the flow twice, each in a home of its own: by
its functions, timed one by one, and by the refresh that the command and the nightly schedule run. Processor time is told besides:
on a machine that others use too it says more. Last, how long after its launch `faellesdata refresh` comes to its first step.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterEventType, RunsFilter

import demo
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.platform import build_platform
from ingestion.register import read_register
from ingestion.vault import build_vault
from orchestration import refresh as refreshing
from orchestration.dbt import DbtOutcome, build, prepare_manifest
from orchestration.instance import open_instance
from orchestration.schedules import LOAD
from serving.publish import publish

seconds: defaultdict[str, float] = defaultdict(float)
processor: defaultdict[str, float] = defaultdict(float)


@contextmanager
def timed(part: str) -> Iterator[None]:
    began, used = time.perf_counter(), time.process_time()
    yield
    seconds[part] += time.perf_counter() - began
    processor[part] += time.process_time() - used


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


def by_dagster(home: Home) -> None:
    """Run the refresh; the end of the night (mails, morning page, workbooks) is timed by itself: it is none of Dagster's."""
    conclude = refreshing.conclude

    def timed_end(*arguments: Any) -> Any:
        with timed("the night's end"):
            return conclude(*arguments)

    refreshing.conclude = timed_end
    try:
        refreshing.refresh(home)
    finally:
        refreshing.conclude = conclude


def seconds_to_first_step(home: Home) -> float:
    """Launch the command and return when its first step began, in seconds since."""
    launched = time.time()
    command = Path(sys.executable).with_name("faellesdata")
    subprocess.run([command, "refresh", "--home", home.path], check=True, capture_output=True)
    with open_instance(home) as instance:
        run = max(instance.get_run_records(RunsFilter(job_name=LOAD)), key=lambda record: record.create_timestamp).dagster_run
        records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_START).records
        return min(record.event_log_entry.timestamp for record in records) - launched


def main(scale: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        first, second = Home(Path(name) / "bare"), Home(Path(name) / "dagster")
        for home, run in ((first, bare), (second, by_dagster)):
            with timed(f"{home.path.name}: make the municipality"):
                demo.build(home, scale=scale)
            with demo.serve(home):
                home.load_settings()
                with timed(home.path.name):
                    run(home)
                if home is second:
                    first_step = seconds_to_first_step(home)
                # The second municipality has ports of its own.
                for setting in home.connections.read_text().splitlines():
                    os.environ.pop(setting.partition("=")[0], None)
    total, total_processor = seconds["bare"], processor["bare"]
    for part, spent in seconds.items():
        print(f"{part:35} {spent:7.2f} s {100 * spent / total:5.0f} % {processor[part]:7.2f} s of processor time")
    end = "the night's end"
    added, added_processor = seconds["dagster"] - seconds[end] - total, processor["dagster"] - processor[end] - total_processor
    print(f"Dagster adds {added:.2f} s, {100 * added / total:.0f} % of the bare functions")
    print(f"  and {added_processor:.2f} s of processor time, {100 * added_processor / total_processor:.0f} %")
    print(f"The first step of `faellesdata refresh` starts {first_step:.1f} s after launch")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.1)
