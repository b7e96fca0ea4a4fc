"""Run dbt in this process: the manifest prepared ahead, a build whose results arrive one by one.

In process a call costs 0.7 s; the `dbt` command costs 4 to 5 s. dbt is imported when it is called, not before.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.dbt_profile import PROJECT, dbt_environment
from ingestion.home import Home, for_us_alone, replaced, write_whole
from ingestion.messages import one_line
from ingestion.process import collect_seldom
from ingestion.raw_file import unreadable
from ingestion.register import Register
from ingestion.seeds import seed_problems
from ingestion.vault import VaultKeyError
from orchestration import plan
from orchestration.counting import count_rows
from orchestration.keys import WAREHOUSE_POOL
from orchestration.locks import exclusive
from serving.purposes import misused, unprotected

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

ROOT = PROJECT.parent
INPUTS = (PROJECT, ROOT / "seeds")
_MADE_BY_DBT = {"target", "logs", "dbt_packages", "__pycache__"}
_RESULTS = {"LogSeedResult", "LogModelResult", "LogSnapshotResult", "LogTestResult"}
_NOW = "to_be_made_now"
"""Tag of what a refresh makes; what dbt makes without it was made by hand (the macro `begun_by_hand`)."""
_MEND = "mend"
"""What `rows_of` and the materialization of tables look for in a model's configuration."""
_FAILED = {"error", "fail", "runtime error"}

Event = dict[str, Any]
"""A dbt event in the form of its JSON log."""


class DbtError(Exception):
    """dbt could not parse the project or could not start. One line, what and where."""


@dataclass
class DbtOutcome:
    """What a build came to: nodes by dbt unique id, with dbt's message."""

    failed_models: dict[str, str] = field(default_factory=dict)
    skipped_models: list[str] = field(default_factory=list)
    failed_tests: dict[str, str] = field(default_factory=dict)
    planned: list[plan.Step] = field(default_factory=list)
    """What was to be made, and why."""
    unchanged: list[str] = field(default_factory=list)
    """Models, seeds and snapshots that had no news."""


def manifest_is_current(register: Register, home: Home) -> bool:
    stamp = _stamp(home)
    return home.manifest.exists() and stamp.exists() and stamp.read_text() == _fingerprint(register)


def prepare_manifest(register: Register, home: Home) -> Path:
    """Parse the dbt project if the project, the seeds or the register changed since the last time; return the manifest's path.

    Raises:
        DbtError: a look-up has an error (with file, line and column), or values to be read as others were not generated into
            staging; the project does not parse; a mart has a purpose that a system it draws on does not allow, or could show
            persons.
    """
    with exclusive(home, "dbt_parse"):
        _prepare(register, home)
    return home.manifest


def prepared(register: Register, home: Home) -> tuple[Manifest, dict[str, Any]]:
    """Return the manifest of the project as it is now, as dbt runs it and as it is written; to read it takes a third of parsing.

    Raises:
        DbtError: as `prepare_manifest`.
    """
    with exclusive(home, "dbt_parse"):
        _prepare(register, home)
        try:
            manifest, written = _read_prepared(home)
        except ValueError:  # Cut short: it is made anew, like what is not there.
            _packed(home).unlink()
            _prepare(register, home)
            manifest, written = _read_prepared(home)
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    # Both live through the build, and Python would look through them again and again for dead cycles. What is one already goes
    # first: it may hold a database open.
    gc.collect()
    gc.freeze()
    return manifest, written


def _read_prepared(home: Home) -> tuple[Manifest, dict[str, Any]]:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    return (
        Manifest.from_msgpack(_packed(home).read_bytes(), decoder=extended_mashumuro_decoder),
        json.loads(home.manifest.read_bytes()),
    )


def _prepare(register: Register, home: Home) -> None:
    collect_seldom()
    fingerprint, path, stamp = _fingerprint(register), home.manifest, _stamp(home)
    kept = (path, _packed(home), home.lineage, home.metrics, stamp)
    if all(one.exists() for one in kept) and stamp.read_text() == fingerprint and _is_whole(path):
        return
    from ingestion.register.generate import mending_problems

    wrong = [problem for folder in INPUTS if (folder / "_seeds.yml").exists() for problem in seed_problems(folder)]
    if wrong := wrong or mending_problems(register, ROOT):
        raise DbtError("; ".join(str(problem) for problem in wrong))
    manifest = parse(register, home)
    fresh = home.dbt / "target" / "manifest.json"
    parsed = json.loads(fresh.read_bytes())
    if refused := [*misused(parsed), *unprotected(parsed)]:
        raise DbtError("; ".join(refused))
    # What is kept from here on is this project's, though we be killed before the last of it: no more that of the one before.
    stamp.unlink(missing_ok=True)
    write_metrics(home)
    write_lineage(manifest, parsed, home)
    shutil.copyfile(home.dbt / "target" / "partial_parse.msgpack", _packed(home))
    with replaced(path) as draft:
        shutil.copyfile(fresh, draft)
    stamp.write_text(fingerprint)


def _is_whole(path: Path) -> bool:
    """Return whether a JSON file has its end: one that was cut short when power was lost stopped every night."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 1, 0))
        return file.read() == b"}"


def write_lineage(manifest: Manifest, parsed: Mapping[str, Any], home: Home) -> None:
    """Write what each column of the warehouse is made of (`serving.lineage`), for the overview and the graph.

    dbt compiles against an empty database: what the SQL says does not depend on what is there, and no raw file need be. A model
    that does not compile is named among the file's problems: it fails where it is built, and stops nothing here.
    """
    from serving.lineage import lineage, to_compile

    home.make_work()
    with tempfile.TemporaryDirectory(dir=home.work) as folder:
        output = {"type": "duckdb", "path": str(Path(folder) / home.warehouse.name), "schema": "main", "threads": 1}
        profile = {"faellesdata": {"target": "empty", "outputs": {"empty": output}}}
        (Path(folder) / "profiles.yml").write_text(json.dumps(profile))
        names = to_compile(parsed)
        if names:
            tests = ["--exclude", "resource_type:test", "resource_type:unit_test"]
            _invoke(["--no-write-json", "compile", "--select", *names, *tests], home, manifest, profiles=Path(folder))
    compiled = {key: sql for key, node in manifest.nodes.items() if (sql := getattr(node, "compiled_code", None))}
    write_whole(home.lineage, json.dumps(lineage(parsed, compiled), ensure_ascii=False))


def write_metrics(home: Home) -> None:
    """Keep dbt's semantic manifest beside the manifest, and the metrics with their SQL as rows for the platform's tables.

    Raises:
        DbtError: MetricFlow does not take a metric.
    """
    from serving.metrics import catalogue

    fresh = (home.dbt / "target" / "semantic_manifest.json").read_text(encoding="utf-8")
    try:
        rows = catalogue(json.loads(fresh))
    except Exception as error:  # MetricFlow has no common error of its own
        raise DbtError(f"the metrics cannot be turned into SQL: {one_line(error)}") from error
    write_whole(home.semantic_manifest, fresh)
    write_whole(home.metrics, json.dumps(rows, ensure_ascii=False))


def parse(register: Register, home: Home) -> Manifest:
    """Return dbt's own manifest; what did not change since the last time comes from `target/partial_parse.msgpack`."""
    from dbt.contracts.graph.manifest import Manifest

    _write_profile(register, home)
    result = _invoke(["parse"], home)
    if not isinstance(result.result, Manifest):
        raise DbtError(f"the dbt project does not parse: {one_line(result.exception)}")
    return result.result


def _write_profile(register: Register, home: Home) -> None:
    from ingestion.dbt_profile import write_profile

    try:
        write_profile(register, home)
    except VaultKeyError as error:
        raise DbtError(str(error)) from error


def build(
    register: Register,
    home: Home,
    selection: Sequence[str],
    outcome: DbtOutcome,
    *,
    without: Sequence[str] = (),
    full: bool = False,
) -> Iterator[Event]:
    """Build the seeds, snapshots and models that have news (`orchestration.plan`), then run the data tests that have.

    With a `selection` of names those are built, news or not, and with `full` everything is; never `without`. Yields the result
    events of nodes as they end, and fills `outcome`. Models and tests are two calls: in `dbt build` a failed test keeps
    everything downstream of it from being built, and one department's fault would stop the others' night.

    Raises:
        DbtError: dbt could not start; the message says why.
    """
    manifest, written = prepared(register, home)
    _write_profile(register, home)
    facts = plan.read_facts(written, home)
    if facts.vault:
        plan.write_state(home, {plan.VAULT: facts.vault})
    project = plan.Project(written, PROJECT)
    run = _Build(home, manifest, project, facts, outcome)
    # A raw file that cannot be read keeps what is made of it as it was, and nothing else.
    without = [*without, *project.readers(unreadable(home, register.systems))]
    # Unit tests look at logic, not at data: they are the developers', and run with the test suite.
    command = ["build", *(part for kind in plan.MADE for part in ("--resource-type", kind))]

    def planned() -> list[plan.Step]:
        return project.plan(facts, plan.MADE, only=selection or None, without=without, full=full)

    steps = planned()
    # What is new for the date alone goes first: on most days it comes out as it was, and is no news to what reads it.
    if of_the_day := [step for step in steps if step.reason == "new day"]:
        outcome.planned += of_the_day
        yield from run.make(command, of_the_day)
        steps = planned()
    outcome.planned += steps
    outcome.unchanged = project.unchanged(outcome.planned, without=without) if not selection else []
    yield from run.make(command, steps)
    plan.drop_left_behind(home, project)
    made = {step.unique_id for step in steps}
    tests = project.plan(facts, ["test"], without=without, full=full or bool(selection))
    if selection:
        # Of a part of the models only the tests that look at nothing outside it.
        tests = [step for step in tests if project.looks_within(step.unique_id, made)]
    yield from run.make(["test", "--exclude-resource-type", "unit_test"], tests)


def by_hand(register: Register, home: Home, arguments: Sequence[str]) -> int:
    """Run dbt as somebody types it, in a process of its own, with its log lines and Ctrl-C as everywhere; return its exit code.

    No refresh builds at the same time. What it makes is marked as begun (`begun_by_hand` in the project), and made again by
    the next one.

    Raises:
        DbtError: the vault's key is lacking, or is none.
    """
    _write_profile(register, home)
    parsed = home.dbt / "by_hand" / "partial_parse.msgpack"
    if not parsed.exists() and _packed(home).exists():  # The first time it would parse everything, which takes half a minute.
        shutil.copyfile(_packed(home), parsed)
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli(prog_name='dbt')", *arguments]
    # Documentation is served for as long as somebody reads it, and opens no database.
    with nullcontext() if arguments[:2] == ["docs", "serve"] else exclusive(home, WAREHOUSE_POOL), for_us_alone():
        return subprocess.run(command, env={**os.environ, **dbt_environment(home)}, check=False).returncode


@dataclass
class _Build:
    """A build under way."""

    home: Home
    manifest: Manifest
    project: plan.Project
    facts: plan.Facts
    outcome: DbtOutcome

    def make(self, command: Sequence[str], steps: Sequence[plan.Step]) -> Iterator[Event]:
        """Have dbt make these nodes. They are marked before and noted after: a build that is killed leaves them to the next."""
        if not steps:
            return
        plan.write_state(self.home, {step.unique_id: replace(step.made, status="begun") for step in steps})
        results: dict[str, bool] = {}
        chosen = [self.manifest.nodes[step.unique_id] for step in steps]
        # By a tag: dbt would look for each of 600 names through all nodes, which takes seconds.
        for node, step in zip(chosen, steps, strict=True):
            node.tags.append(_NOW)
            node.config[_MEND] = step.mend
        try:
            # Nobody reads the artifacts of a build, and to write the manifest once more takes a second.
            arguments = [*command, "--no-write-json", "--select", f"tag:{_NOW}"]
            yield from _stream(arguments, self.home, self.manifest, self.outcome, results)
        finally:
            for node in chosen:
                node.tags.remove(_NOW)
                del node.config[_MEND]
        self._note([step for step in steps if step.unique_id in results], results)

    def _note(self, steps: Sequence[plan.Step], results: Mapping[str, bool]) -> None:
        of_the_day = [step.unique_id for step in steps if step.made.moment and results[step.unique_id]]
        dated = [self.manifest.nodes[name] for name in of_the_day if not name.startswith("test.")]
        noted = self.project.noted(steps, self.facts, plan.read_contents(self.home, dated) if dated else {})
        made = {name: one if results[name] else replace(one, status="failed") for name, one in noted.items()}
        plan.write_state(self.home, made)
        # By what has been made now: what reads a table that failed to be made waits with it.
        self.facts.state = {**self.facts.state, **made}


def _stream(
    arguments: list[str], home: Home, manifest: Manifest, outcome: DbtOutcome, results: dict[str, bool]
) -> Iterator[Event]:
    """Run dbt in a thread and yield its result events here, where Dagster expects them; note by node whether it went well."""
    from dbt_common.events.functions import msg_to_dict

    events: queue.Queue[Event | None] = queue.Queue()
    answer: list[dbtRunnerResult] = []

    def note(message: Any) -> None:
        if message.info.name in _RESULTS:
            event = msg_to_dict(message)
            # Here, in dbt's own thread, its connection is open.
            events.put({**event, "rows": count_rows(event)})

    def run() -> None:
        try:
            answer.append(_invoke(arguments, home, manifest, note))
        finally:
            events.put(None)

    # A daemon: when the run is cancelled, the process ends without waiting for the query under way.
    thread = threading.Thread(target=run, name="dbt", daemon=True)
    thread.start()
    while (event := events.get()) is not None:
        yield event
    thread.join()
    _note_results(answer, outcome, results)


def _note_results(answer: list[dbtRunnerResult], outcome: DbtOutcome, results: dict[str, bool]) -> None:
    from dbt.artifacts.schemas.run import RunExecutionResult

    if not answer or not isinstance(answer[0].result, RunExecutionResult):
        raise DbtError(f"dbt could not run: {one_line(answer[0].exception if answer else None)}")
    for result in answer[0].result.results:
        node, status = result.node, str(result.status)
        results[node.unique_id] = status in ("success", "pass")
        if node.unique_id.startswith("test."):
            if status in _FAILED:
                outcome.failed_tests[node.unique_id] = one_line(result.message)
        elif status == "skipped":
            outcome.skipped_models.append(node.unique_id)
        elif status in _FAILED:
            outcome.failed_models[node.unique_id] = one_line(result.message)


def _invoke(
    arguments: list[str], home: Home, manifest: Manifest | None = None, callback: Any = None, profiles: Path | None = None
) -> dbtRunnerResult:
    from dbt.cli.main import dbtRunner

    settings = [
        "--project-dir", str(PROJECT), "--profiles-dir", str(profiles or home.dbt),
        "--target-path", str(home.dbt / "target"), "--log-path", str(home.dbt / "logs"),
        "--log-level", "none", "--log-level-file", "info", "--no-use-colors",
        "--no-send-anonymous-usage-stats", "--no-version-check",
    ]  # fmt: skip
    with _same_folder():
        try:
            result = dbtRunner(manifest=manifest, callbacks=[callback] if callback else []).invoke([*arguments, *settings])
        finally:
            _close_warehouse()
    if result.exception is not None:
        # Its frames hold the connection that failed, and with it the file.
        result.exception = DbtError(one_line(result.exception))
    return result


def _close_warehouse() -> None:
    """Close dbt's DuckDB instance, which it keeps for the process: publishing, in the same process, opens the file anew."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    manager: Any = DuckDBConnectionManager
    if manager._ENV is not None:
        manager._ENV.close()
    manager.close_all_connections()
    # Cursors of dbt's threads lie in reference cycles; the last of them keeps the file.
    gc.collect()


@contextmanager
def _same_folder() -> Iterator[None]:
    """Dbt changes into its project and stays there."""
    before = Path.cwd()
    try:
        yield
    finally:
        os.chdir(before)


def _fingerprint(register: Register) -> str:
    """Return a digest of everything the manifest follows from."""
    from importlib.metadata import version

    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-duckdb')}".encode())
    digest.update(register.model_dump_json().encode())
    for folder in INPUTS:
        for path in sorted(inputs_in(folder)):
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def inputs_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that somebody wrote."""
    return (path for path in folder.rglob("*") if path.is_file() and _MADE_BY_DBT.isdisjoint(path.relative_to(folder).parts))


def _packed(home: Home) -> Path:
    """Return where dbt's own form of the prepared manifest stands."""
    return home.dbt / "manifest.msgpack"


def _stamp(home: Home) -> Path:
    return home.dbt / "manifest.inputs"
