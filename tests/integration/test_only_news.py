"""A refresh makes only what has news, what the calendar makes new, what was changed, what failed; `--full` makes everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from municipality_support import Municipality

from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.register import Register
from ingestion.vault import build_vault
from orchestration.plan import Facts, Made, Project, drop_left_behind

ALL = {"mart_alfa", "mart_beta", "mart_gamma", "mart_nights"}
NIGHTS = {"mart_nights"}
"""It reads the load logs, so every night is news to it."""


class Nights:
    """Refreshes one after the other, and which models each of them made."""

    def __init__(self, municipality: Municipality) -> None:
        self.municipality = municipality
        self._before: dict[str, datetime] = {}

    def made(self, **arguments: object) -> set[str]:
        self.result = self.municipality.refresh(**arguments)
        with duckdb.connect(str(self.municipality.home.warehouse), read_only=True) as connection:
            rows = connection.execute(
                "select unique_id, built_at from main.build_state where unique_id like 'model.%'"
            ).fetchall()
        now = {unique_id.split(".")[-1]: built_at for unique_id, built_at in rows}
        made = {name for name, built_at in now.items() if self._before.get(name) != built_at}
        self._before = now
        return made

    def troubles(self) -> list[str]:
        return [trouble["what"] for trouble in json.loads(self.municipality.home.heartbeat.read_text())["troubles"]]


def test_only_what_has_news_is_made(municipality: Municipality) -> None:
    nights = Nights(municipality)
    assert nights.made() == ALL
    assert nights.made() == NIGHTS
    build = nights.result.stages[1]
    assert build.ok
    assert build.unchanged == 3, "seen as left alone, not as failed"
    municipality.deliver("alfa", "nr;navn\n1;en\n2;to\n3;tre\n")
    assert nights.made() == NIGHTS | {"mart_alfa"}
    assert municipality.rows("mart_alfa") == 3
    municipality.deliver("alfa", "nr;navn\n1;en\n2;to\n3;tre\n4;fire\n")
    assert nights.made(systems=["beta"]) == NIGHTS, "alfa was not loaded"
    assert nights.made(full=True) == ALL
    assert municipality.rows("mart_alfa") == 4


def test_what_was_changed_and_what_failed_is_made_again(municipality: Municipality) -> None:
    nights = Nights(municipality)
    nights.made()
    municipality.model("beta", "select nr, navn, error('itu') as itu from " + '{{ source("beta", "ting") }}')
    assert nights.made() == NIGHTS | {"mart_beta"}
    assert not nights.result.ok
    assert nights.made() == NIGHTS | {"mart_beta"}, "nothing is new, but it is not there yet"
    assert any("mart_beta kunne ikke bygges" in trouble for trouble in nights.troubles())
    municipality.model("beta", 'select nr, navn, 1 as ny from {{ source("beta", "ting") }}')
    assert nights.made() == NIGHTS | {"mart_beta"}
    assert nights.result.ok
    assert nights.troubles() == []
    with duckdb.connect(str(municipality.home.warehouse)) as connection:
        connection.execute("drop table main_marts.mart_gamma")
        # As a build leaves it that was killed while it made the model.
        connection.execute("update main.build_state set status = 'begun' where unique_id like '%mart_alfa'")
    assert nights.made() == NIGHTS | {"mart_alfa", "mart_gamma"}


def test_a_check_that_failed_is_asked_again_and_stays_a_trouble(municipality: Municipality) -> None:
    nights = Nights(municipality)
    municipality.deliver("alfa", "nr;navn\n1;en\n1;to\n")
    municipality.model("alfa", 'select * exclude (_dlt_load_id, _source_ref, _source_row) from {{ source("alfa", "ting") }}')
    nights.made()
    failed = ["En kontrol af mart_alfa er ikke bestået: unique_mart_alfa_nr."]
    assert nights.troubles() == failed
    assert nights.made() == NIGHTS
    assert nights.troubles() == failed, "nothing was mended"
    municipality.deliver("alfa", "nr;navn\n1;en\n2;to\n")
    nights.made()
    assert nights.troubles() == []


def test_seeds_and_macros_count_too(municipality: Municipality) -> None:
    seeds, macros = municipality.project / "seeds", municipality.project / "macros"
    seeds.mkdir()
    macros.mkdir()
    (seeds / "navne.csv").write_text("navn\nen\n")
    (macros / "kendt.sql").write_text("{% macro kendt() %}navn in (select navn from {{ ref('navne') }}){% endmacro %}")
    municipality.model(
        "alfa", "select nr, navn, {{ kendt() }} as kendt from {{ source('alfa', 'ting') }} -- depends_on: {{ ref('navne') }}"
    )
    nights = Nights(municipality)
    nights.made()
    (seeds / "navne.csv").write_text("navn\nen\nto\n")
    assert nights.made() == NIGHTS | {"mart_alfa"}
    (macros / "kendt.sql").write_text("{% macro kendt() %}navn not in (select navn from {{ ref('navne') }}){% endmacro %}")
    assert nights.made() == NIGHTS | {"mart_alfa"}
    with duckdb.connect(str(municipality.home.warehouse), read_only=True) as connection:
        assert connection.execute("select distinct kendt from main_marts.mart_alfa").fetchall() == [(False,)]


def node(name: str, parents: list[str], sql: str = "select 1", kind: str = "model") -> dict[str, Any]:
    return {
        "unique_id": f"{kind}.f.{name}", "name": name, "alias": name, "schema": "s", "resource_type": kind, "raw_code": sql,
        "config": {"materialized": "table"}, "columns": {}, "depends_on": {"nodes": parents, "macros": []},
    }  # fmt: skip


def project(*nodes: dict[str, Any], **macros: str) -> Project:
    sources = {
        f"source.f.{system}.{table}": {"source_name": system, "name": table, "relation_name": f"{system}.{table}"}
        for system, table in (("a", "t"), ("b", "t"), ("vault", "person_keys"))
    }
    metadata = {"project_name": "f", "dbt_version": "1"}
    named = {
        f"macro.f.{name}": {"macro_sql": sql, "package_name": "f", "depends_on": {"macros": []}} for name, sql in macros.items()
    }
    return Project(
        {"metadata": metadata, "nodes": {one["unique_id"]: one for one in nodes}, "sources": sources, "macros": named}, Path()
    )


def build(of: Project, facts: Facts, **arguments: Any) -> dict[str, str]:
    """Plan and note all as made; return why by name."""
    steps = of.plan(facts, ("model",), **arguments)
    facts.state = {**facts.state, **{step.unique_id: step.made for step in steps}}
    facts.relations = {("s", name) for name in ("a", "b", "both", "days", "after_days", "clock")}
    return {step.name: step.reason for step in steps}


def test_what_was_made_of_an_unfinished_table_is_made_again_when_that_is_finished() -> None:
    of = project(node("a", ["source.f.a.t", "source.f.vault.person_keys"]), node("both", ["model.f.a"]))
    facts = Facts(sources={"source.f.a.t": "1"})
    build(of, facts)
    # A build is killed, and one of its tables is asked for before the next night.
    facts.sources = {"source.f.a.t": "2"}
    begun = {step.unique_id: replace(step.made, status="begun") for step in of.plan(facts, ("model",))}
    facts.state = {**facts.state, **begun}
    assert build(of, facts, only=["both"]) == {"both": "asked for"}
    assert build(of, facts) == {"a": "not finished", "both": "news"}
    # Rows that were loaded after the vault had looked are without their persons until it has.
    facts.sources, facts.early = {"source.f.a.t": "3"}, {"source.f.a.t"}
    assert build(of, facts) == {"a": "news", "both": "news"}
    facts.early = ()
    assert build(of, facts) == {"a": "not finished", "both": "news"}
    assert build(of, facts) == {}


def test_the_calendar_makes_new() -> None:
    of = project(
        node("a", ["source.f.a.t"]),
        node("days", ["model.f.a"], "select current_date"),
        node("after_days", ["model.f.days"]),
        node("clock", ["model.f.a"], "select NOW()"),
    )
    facts = Facts(sources={"source.f.a.t": "1"}, today="2026-11-24", now="2026-11-24 02:00")
    build(of, facts)
    facts.now = "2026-11-24 03:00"
    assert build(of, facts) == {"clock": "new day"}
    facts.today = "2026-11-25"
    assert build(of, facts) == {"days": "new day"}
    assert build(of, facts) == {"after_days": "news"}


def test_a_new_day_that_leaves_a_table_as_it_was_is_no_news_to_who_reads_it() -> None:
    of = project(
        node("a", ["source.f.a.t"]),
        node("days", ["model.f.a"], "select current_date"),
        node("other_days", ["model.f.days"], "select current_date"),
        node("after_days", ["model.f.days"]),
    )
    facts = Facts(sources={"source.f.a.t": "1"}, today="2026-11-24")
    both = {"days": "new day", "other_days": "new day"}

    def night(content: str) -> list[dict[str, str]]:
        """Make what is new for the date alone first, as `orchestration.dbt.build` does; return why by name, round by round."""
        rounds = []
        while steps := of.plan(facts, ("model",)):
            first = [step for step in steps if step.reason == "new day"] or steps
            facts.state = {**facts.state, **of.noted(first, facts, {"model.f.days": content})}
            facts.relations = {("s", name) for name in ("a", "days", "other_days", "after_days")}
            rounds.append({step.name: step.reason for step in first})
        return rounds

    every = ("a", "days", "other_days", "after_days")
    assert night("x") == [dict.fromkeys(every, "new")]
    assert night("x") == []
    facts.today = "2026-11-25"
    assert night("x") == [both]
    facts.today = "2026-11-26"
    assert night("y") == [both, {"after_days": "news"}]
    facts.sources = {"source.f.a.t": "2"}
    assert night("y") == [dict.fromkeys(every, "news")]
    assert night("y") == []


def test_a_part_that_is_made_alone_leaves_the_rest_in_want() -> None:
    of = project(node("a", ["source.f.a.t"]), node("b", ["source.f.b.t"]), node("both", ["model.f.a", "model.f.b"]))
    facts = Facts(sources={"source.f.a.t": "1", "source.f.b.t": "1"})
    assert build(of, facts) == dict.fromkeys(("a", "b", "both"), "new")
    facts.sources = {"source.f.a.t": "2", "source.f.b.t": "1"}
    assert build(of, facts, only={"a"}) == {"a": "asked for"}
    assert build(of, facts) == {"both": "news"}
    facts.sources = {"source.f.a.t": "2", "source.f.b.t": "2"}
    assert build(of, facts, without={"b"}) == {}
    assert build(of, facts) == {"b": "news", "both": "news"}


def test_of_the_vault_a_table_sees_its_own_persons() -> None:
    vault = "source.f.vault.person_keys"
    of = project(node("a", ["source.f.a.t", vault]), node("b", ["source.f.b.t", vault]))
    facts = Facts(
        sources={"source.f.a.t": "1", "source.f.b.t": "1", vault: "1"}, persons={"source.f.a.t": "x", "source.f.b.t": "y"}
    )
    build(of, facts)
    facts.sources = {**facts.sources, vault: "2"}
    assert build(of, facts) == {}, "somebody who is in neither table"
    facts.persons = {"source.f.a.t": "z", "source.f.b.t": "y"}
    assert build(of, facts) == {"a": "news"}
    facts.early = {"source.f.b.t"}
    facts.sources = {**facts.sources, "source.f.b.t": "2"}
    assert build(of, facts) == {"b": "news"}
    facts.early = ()
    assert build(of, facts) == {"b": "not finished"}, "the vault may know its persons now"


def test_a_look_at_every_model_comes_when_any_was_made() -> None:
    vault = "source.f.vault.person_keys"
    look = node("look", [vault], kind="test") | {"depends_on": {"nodes": [vault], "macros": ["macro.f.look"]}}
    of = project(node("a", ["source.f.a.t"]), look, look="{% for node in graph.nodes.values() %}")
    facts = Facts(sources={"source.f.a.t": "1", vault: "1"})
    build(of, facts)
    looked = of.plan(facts, ("test",))
    assert [step.reason for step in looked] == ["new"]
    facts.state = {**facts.state, **{step.unique_id: step.made for step in looked}}
    assert of.plan(facts, ("test",)) == []
    facts.sources = {**facts.sources, "source.f.a.t": "2"}
    build(of, facts)
    assert [step.reason for step in of.plan(facts, ("test",))] == ["news"], "the vault knows nobody new"
    assert of.looks_within("test.f.look", {"model.f.a"})


def test_why_a_node_is_made() -> None:
    of = project(node("a", ["source.f.a.t"]))
    facts = Facts(sources={"source.f.a.t": "1"})
    build(of, facts)
    facts.sources = {"source.f.a.t": "2"}
    assert [step.reason for step in of.plan(facts, ("model",))] == ["news"]
    assert [step.reason for step in of.plan(facts, ("model",), full=True)] == ["asked for"]
    mended = project(node("a", ["source.f.a.t"], "select 2"))
    assert [step.reason for step in mended.plan(facts, ("model",))] == ["changed"]
    facts.state = {name: Made(one.version, one.code, one.moment, "begun") for name, one in facts.state.items()}
    assert [step.reason for step in of.plan(facts, ("model",))] == ["not finished"]
    facts.relations = ()
    assert [step.reason for step in of.plan(facts, ("model",))] == ["new"]


def test_a_table_is_mended_where_nothing_but_its_rows_has_changed() -> None:
    vault = "source.f.vault.person_keys"
    staging = node("a", ["source.f.a.t", vault])
    staging["depends_on"]["macros"] = ["macro.f.rows_of"]
    of = project(staging, node("b", ["source.f.a.t"]), rows_of="")
    facts = Facts(sources={"source.f.a.t": "1", vault: "1"}, persons={"source.f.a.t": "x"})

    def mended(to_make: Project = of, **arguments: Any) -> dict[str, bool]:
        return {step.name: step.mend for step in to_make.plan(facts, ("model",), **arguments)}

    assert mended() == {"a": False, "b": False}, "there is nothing to mend"
    build(of, facts)
    made = facts.state
    facts.sources = {**facts.sources, "source.f.a.t": "2"}
    assert mended() == {"a": True, "b": False}, "only staging says which rows it is made of"
    assert mended(only={"a"}) == {"a": True}
    assert mended(full=True) == {"a": False, "b": False}
    changed = project(staging | {"raw_code": "select 2"}, rows_of="")
    assert mended(changed) == {"a": False}
    facts.persons = {"source.f.a.t": "y"}
    assert mended() == {"a": False, "b": False}, "a number in it is another person's"
    facts.persons = {"source.f.a.t": "x"}
    facts.state = {name: replace(one, status="early") for name, one in made.items()}
    assert mended() == {"a": False, "b": False}


def test_of_a_system_that_is_gone_nothing_stays_in_the_warehouse(tmp_path: Path) -> None:
    """Its staging and its quarantine held persons; marts, which know more than raw files still tell, are nobody's to drop."""
    home, kept = Home(tmp_path), node("stg_a__t", []) | {"schema": "staging"}
    with duckdb.connect(str(home.warehouse)) as connection:
        for schema in ("staging", "quality", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute("create table staging.stg_a__t as select 1")
        connection.execute("create table staging.stg_gone__t as select 1")
        connection.execute("create view quality.qua_gone as select 1")
        connection.execute("create table marts.mart_gone as select 1")
    drop_left_behind(home, project(kept))
    with duckdb.connect(str(home.warehouse)) as connection:
        names = connection.execute("select table_name from information_schema.tables where table_schema <> 'main'").fetchall()
    assert sorted(name for (name,) in names) == ["mart_gone", "stg_a__t"]


TODAY = """
import sys
from pathlib import Path
import duckdb, yaml
from ingestion.dbt_profile import write_profile
from ingestion.home import Home
from ingestion.register import Register
from orchestration.plan import read_facts
home = Home(Path(sys.argv[1]))
profile = yaml.safe_load(write_profile(Register(systems={}), home).read_text())
settings = profile["faellesdata"]["outputs"]["embedded"]["settings"]
with duckdb.connect() as connection:
    connection.execute(f"set TimeZone = '{settings['TimeZone']}'")
    print(connection.execute("select current_date").fetchone()[0], read_facts({"sources": {}}, home).today)
"""


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_today_is_denmarks_wherever_the_server_stands(tmp_path: Path, zone: str) -> None:
    """25 hours lie between these two zones: at any time one of them has another date than Denmark."""
    build_vault(Register(systems={}), Home(tmp_path))
    before = f"{datetime.now(DENMARK):%F}"
    done = subprocess.run(
        [sys.executable, "-c", TODAY, str(tmp_path)], env=os.environ | {"TZ": zone}, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() in ([before] * 2, [f"{datetime.now(DENMARK):%F}"] * 2)
