"""What the warehouse costs as a city grows, what dbt adds to its SQL, and what a night costs in which 2 % of the rows changed.

`python benchmarks/warehouse.py [scale …]` (default: 1 20). The practice municipality is landed once at scale 1, through its
servers, as a night would. A larger city is made from its raw files in DuckDB: every person, employee, case, visit, shift and
posting comes `scale` times, under numbers of its own (CPR numbers, keys and the references between them), while organisation,
chart of accounts and other look-ups stay. Generating and serving 660,000 inhabitants would measure the generator.

Ratios are of CPU time, which other work on the machine disturbs least.

`FAELLESDATA_MEMORY_LIMIT` (say 8GB) caps DuckDB's memory, beyond which it spills. `FAELLESDATA_BENCHMARK_HOME` names a home
that has been landed at scale 1 already.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

import demo
import orchestration.dbt
from ingestion.dbt_profile import MEMORY_VARIABLE
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.platform import build_platform
from ingestion.register import Register, read_register
from ingestion.vault import attach_vault, build_vault
from orchestration import plan
from orchestration.dbt import DbtOutcome, build, prepare_manifest
from orchestration.plan import Project, summary
from serving.publish import publish

NUMBERED: dict[str, dict[str, tuple[str, ...]]] = {
    "cpr_sf6002": {
        "adresser": ("cpr",),
        "beskyttelse": ("cpr",),
        "navne": ("cpr",),
        "personer": ("cpr",),
        "tidligere_cpr": ("cpr", "tidligere_cpr"),
    },
    "dubu": {
        "sager": ("id", "sags_nummer", "cpr"),
        "underretninger": ("id", "barn_cpr", "sag_id"),
        "ydelser": ("id", "sag_id", "cpr"),
    },
    "geoenviron": {"byggesager": ("task_seq_no", "case_no")},
    "kmd_elev": {"fravaer": ("fravaer_id", "cpr_nr"), "indskrivninger": ("indskrivning_id", "cpr_nr")},
    "momentum": {"borgere": ("id", "cpr"), "kontaktforloeb": ("id", "borger_id"), "tilbud": ("id", "borger_id")},
    "nexus": {
        "besoeg": ("id", "patient_id", "grant_id", "medarbejder"),
        "borgere": ("id", "cpr"),
        "indsatser": ("id", "patient_id"),
    },
    "opus_loen": {"ansaettelser": ("id", "cpr"), "fravaer": ("id", "employee_id")},
    "opus_oekonomi": {"posteringer": ("belnr",)},
    "specialtilbud": {"placeringer": ("nr", "cpr_nummer")},
    "vagtplan": {"vagter": ("vagt_id", "medarbejdernr")},
    "ydelsesrefusion": {"beregninger": ("cpr_nummer",)},
}
"""By system and raw table, the columns that number what a larger city has more of."""
CHANGED = {  # By table, a column of no key, to change by night. None: the row comes anew as it was.
    "adresser": "husnr", "beskyttelse": "slutdato", "navne": "fornavn", "personer": "statushaenstart", "sager": "paragraf",
    "tidligere_cpr": "skiftedato", "underretninger": "beskrivelse", "ydelser": "pris_pr_dag", "byggesager": "fee",
    "fravaer": None,
    "indskrivninger": "klasse_stue", "borgere": None, "kontaktforloeb": "udfald", "tilbud": "slutdato", "vagter": "timer",
    "besoeg": "delivered_minutes", "indsatser": "minutes_per_week", "ansaettelser": "last_name", "posteringer": "beloeb",
    "placeringer": "takst_pr_aar", "beregninger": "beloeb",
}  # fmt: skip
SHARE = 20
"""Thousandths of the rows that change in a night."""
CARE = {"besoeg": 44, "vagter": 44}
"""The same number of rows, all of them in the two largest tables."""


def main(scales: list[int]) -> None:
    register = read_register()
    kept = os.environ.get("FAELLESDATA_BENCHMARK_HOME")
    with tempfile.TemporaryDirectory() as name:
        landed = Home(Path(kept or Path(name) / "landed"))
        if not landed.raw.exists():
            _land(register, landed)
        for scale in scales:
            home = Home(Path(name) / f"scale-{scale}")
            print(f"\n# scale {scale}: {grow(register, landed, home, scale):,} raw rows")
            measure(register, home)
            shutil.rmtree(home.path)


def _land(register: Register, home: Home) -> None:
    demo.build(home, scale=1)
    with demo.serve(home):
        home.load_settings()
        for system in register.systems.values():
            assert not land_system(system, home).failed


def grow(register: Register, landed: Home, home: Home, scale: int) -> int:
    """Make raw files of `scale` times as many persons and events; return their rows."""
    home.raw.mkdir(parents=True)
    home.work.mkdir()
    rows = 0
    for system_id, system in register.systems.items():
        shutil.copyfile(landed.raw_file(system_id), home.raw_file(system_id))
        with duckdb.connect(str(home.raw_file(system_id))) as connection:
            for table in system.tables:
                numbered = NUMBERED.get(system_id, {}).get(table, ())
                if numbered and scale > 1:
                    _multiply(connection, table, numbered, scale)
                rows += connection.table(f'raw."{table}"').shape[0]
    return rows


def _multiply(connection: duckdb.DuckDBPyConnection, table: str, numbered: tuple[str, ...], scale: int) -> None:
    _copy(connection, table, numbered, f"range(1, {scale})")


def _copy(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    numbered: tuple[str, ...],
    copies: str,
    rows: str = "true",
    load_id: str = "",
) -> int:
    """Insert copies of rows under numbers of their own; return how many."""
    changes = [f"{_renumbered(connection, table, column)} as {column}" for column in numbered]
    changes.append("_source_ref || '~' || copy as _source_ref")
    if load_id:
        changes.append(f"'{load_id}' as _dlt_load_id")
    copied = connection.execute(
        f'insert into raw."{table}" by name select source.* replace ({", ".join(changes)})'
        f' from (from raw."{table}") as source cross join (select unnest({copies}) as copy) where {rows}'
    ).fetchone()
    return copied[0] if copied else 0


def _renumbered(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> str:
    kind, example = connection.execute(
        f'select typeof({column}), cast({column} as varchar) from raw."{table}" where {column} is not null limit 1'
    ).fetchall()[0]
    if "cpr" in column:
        # The last three digits move by another step for each copy: the birth date and its century stay.
        moved = f"(try_cast(right({column}, 3) as integer) + 37 * copy) % 1000"
        return rf"regexp_replace({column}, '\d{{3}}$', lpad(({moved})::varchar, 3, '0'))"
    if len(example) == 36:  # A UUID: its version and variant, alike in all, make room for the copy's number.
        return f"{column}[1:14] || to_hex(copy // 16) || {column}[16:19] || to_hex(copy % 16) || {column}[21:]"
    # Thirteen digits and more: a number of nine or ten can be read as a CPR number, and in so large a city it is somebody's.
    if kind != "VARCHAR":
        return f"if({column} < 1e12, copy * 1_000_000_000_000 + {column}, {column} * 100 + copy)"
    short = rf"regexp_full_match({column}, '\d{{1,12}}')"
    return f"if({short}, copy || lpad({column}, 12, '0'), {column} || lpad(copy::varchar, 2, '0'))"


def change(register: Register, home: Home, night: int, shares: Mapping[str, int]) -> int:
    """Change, add and take away rows as a night's load would leave it; return how many.

    `shares` gives thousandths by table (of which one is new and one is gone); "" stands for all tables.
    """
    started = datetime.now(UTC).replace(tzinfo=None)
    load_id, total = f"{started.replace(tzinfo=UTC).timestamp():.7f}", 0
    for system_id in register.systems:
        with duckdb.connect(str(home.raw_file(system_id))) as connection:
            for table, numbered in NUMBERED.get(system_id, {}).items():
                if share := shares.get(table, shares.get("", 0)):
                    rows = _change(connection, table, numbered, night, share, load_id)
                    connection.execute(
                        "insert into raw.load_log (system_id, table_name, load_id, status, started_at, seconds, rows, rejects,"
                        f" changed_rows, table_rows) select ?, ?, ?, 'loaded', ?, 1, ?, 0, ?, count(*) from raw.\"{table}\"",
                        [system_id, table, load_id, started, rows, rows],
                    )
                    total += rows
            connection.execute("checkpoint")
    return total


def _change(
    connection: duckdb.DuckDBPyConnection, table: str, numbered: tuple[str, ...], night: int, share: int, load_id: str
) -> int:
    place = f"hash(_source_ref, _source_row, _dlt_load_id, {night}) % 1000"
    column = CHANGED[table]
    value = f'{column} = (select any_value({column}) from raw."{table}"), ' if column else ""
    rows = _copy(connection, table, numbered, f"[{90 + night}]", f"{place} = 0", load_id)
    for statement in (
        f'delete from raw."{table}" where {place} = 1 and _dlt_load_id <> $1',
        f'update raw."{table}" set {value}_dlt_load_id = $1 where {place} between 2 and {share - 1} and _dlt_load_id <> $1',
    ):
        changed = connection.execute(statement, [load_id]).fetchone()
        rows += changed[0] if changed else 0
    return rows


@contextmanager
def timed(part: str, seconds: dict[str, float]) -> Iterator[None]:
    began, clock = time.process_time(), time.perf_counter()
    yield
    seconds[part] = time.process_time() - began
    print(f"{part:32} {seconds[part]:7.1f} s of CPU, {time.perf_counter() - clock:7.1f} s", flush=True)


def measure(register: Register, home: Home) -> None:
    seconds: dict[str, float] = {}
    nights: dict[str, Mapping[str, int]] = {
        "full": {},
        "2 % of every table": {"": SHARE},
        "2 %, all in care": CARE,
        "2 %, all in care, a new day": CARE,
    }
    for number, (name, shares) in enumerate(nights.items()):
        print(f"{change(register, home, number, shares):,} rows changed")
        with timed(f"{name}: vault and platform", seconds):
            build_vault(register, home)
            build_platform(register, home)
        prepare_manifest(register, home)
        outcome = DbtOutcome()
        with timed(f"{name}: build and test", seconds), as_of("the next" if name.endswith("a new day") else "one"):
            nodes = list(build(register, home, [], outcome))
        assert not outcome.failed_models, outcome.failed_models
        print(
            f"{len(nodes)} nodes; {summary(outcome.planned, len(outcome.unchanged))}; tests failed: {list(outcome.failed_tests)}"
        )
        _slowest(nodes)
        if name == "full":
            compile_the_look(home)
            with timed("the same SQL in DuckDB", seconds):
                straight(register, home)
            print(f"dbt: {seconds['full: build and test'] / seconds['the same SQL in DuckDB']:.2f} x")
        with timed(f"{name}: publish", seconds):
            publish(home, "bi_netvaerk")
        parts = [sum(spent for part, spent in seconds.items() if part.startswith(f"{of}:")) for of in (name, "full")]
        print(f"{name}: {parts[0]:.1f} s of CPU, {parts[0] / parts[1]:.0%} of full")


@contextmanager
def as_of(day: str) -> Iterator[None]:
    """Plan as if it were that day: what asks for the date is made anew when it is another."""
    read = plan.read_facts
    plan.read_facts = lambda *given: replace(read(*given), today=day)
    try:
        yield
    finally:
        plan.read_facts = read


def _slowest(nodes: list[dict[str, Any]], shown: int = 12) -> None:
    spent = sorted(
        ((float(node["data"]["execution_time"] or 0), node["data"]["node_info"]["unique_id"]) for node in nodes), reverse=True
    )
    print(", ".join(f"{unique_id.split('.')[2]} {seconds:.1f}" for seconds, unique_id in spent[:shown]))


def compile_the_look(home: Home) -> None:
    """Have dbt compile the look for CPR numbers at every table, as if nothing had been noted of them when they were made."""
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create table main.noted as from main.digits; delete from main.digits")
    orchestration.dbt._invoke(["compile", "--select", "in_no_model__person_keys"], home)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("insert into main.digits from main.noted; drop table main.noted")


def straight(register: Register, home: Home) -> None:
    """Run what dbt compiled, models and tests, in DuckDB alone, into a warehouse of its own."""
    target = home.dbt / "target"
    manifest = json.loads((target / "manifest.json").read_bytes())
    folder = home.work / "straight"
    folder.mkdir()
    settings: dict[str, str | bool | int | float | list[str]] = {
        "preserve_insertion_order": False,
        "temp_directory": str(home.work / "spill"),
        **({"memory_limit": os.environ[MEMORY_VARIABLE]} if os.environ.get(MEMORY_VARIABLE) else {}),
    }
    with duckdb.connect(str(folder / "warehouse.duckdb"), config=settings) as connection:
        for system_id in (*register.systems, "platform"):
            connection.execute(f"attach '{home.raw_file(system_id)}' as raw_{system_id} (read_only)")
        attach_vault(connection, home)
        connection.execute(f"attach '{home.warehouse}' as made (read_only)")
        compiled = target / "compiled" / manifest["metadata"]["project_name"]
        for unique_id in Project(manifest, compiled).order:
            node = manifest["nodes"][unique_id]
            if node["resource_type"] == "test":
                continue
            relation = f'{node["schema"]}."{node["alias"]}"'
            connection.execute(f"create schema if not exists {node['schema']}")
            if node["resource_type"] == "seed" or node.get("language") == "python":  # What is linked by Python is no SQL.
                connection.execute(f"create table {relation} as from made.{relation}")
            else:
                kind = "view" if node["config"]["materialized"] == "view" else "table"
                sql = (compiled / node["original_file_path"]).read_text(encoding="utf-8")
                connection.execute(f"create {kind} {relation} as {sql}")
        tests = [path for path in compiled.rglob("*.sql") if path.parent.suffix == ".yml" or path.parent == compiled / "tests"]
        for test in tests:
            connection.execute(f"select count(*) from ({test.read_text(encoding='utf-8')})").fetchall()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 20])
