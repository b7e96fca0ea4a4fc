"""Purpose limitation: which marts draw on what for something it may not be used for, and that such a project is not taken."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.home import Home
from ingestion.register import read_register
from orchestration.dbt import DbtError, prepare_manifest
from serving.purposes import misused, unprotected


def node(kind: str, name: str, schema: str, meta: dict[str, Any], parents: list[str], pii: str = "P0") -> dict[str, Any]:
    columns = {"x": {"name": "x", "config": {"meta": {"pii": pii}}}, "_source_row": {"name": "_source_row"}}
    return {
        "resource_type": kind,
        "name": name,
        "schema": schema,
        "config": {"meta": meta},
        "depends_on": {"nodes": parents},
        "columns": columns,
    }


def manifest() -> dict[str, Any]:
    sick = {"system": "loen", "purpose": ["personaleadministration"], "owner": {"team": "HR"}}
    ledger = {"system": "opus", "purpose": ["oekonomistyring"], "owner": {"team": "Regnskab"}}
    models = [
        node("model", "stg_sick", "staging", sick, ["source.raw_sick"], "P3"),
        node("model", "stg_units", "staging", sick, ["source.raw_sick"]),
        node("model", "stg_ledger", "staging", ledger, []),
        node("model", "fct_sick", "conformed", {"purpose": ["personaleadministration"]}, ["model.stg_sick"]),
        node("model", "mart_cost", "marts", {"purpose": ["oekonomistyring"]}, ["model.stg_units", "model.stg_ledger"]),
    ]
    sources = {"source.raw_sick": node("source", "raw_sick", "raw", sick, [], "P3")}
    return {"nodes": {f"model.{model['name']}": model for model in models}, "sources": sources}


def with_mart(purpose: list[str], parents: list[str], **meta: Any) -> dict[str, Any]:
    found = manifest()
    mart = node("model", "mart_new", "marts", {"purpose": purpose, **meta}, parents)
    found["nodes"]["model.mart_new"] = mart
    return found


def test_what_holds_no_persons_may_serve_any_purpose() -> None:
    assert misused(manifest()) == []
    assert misused(with_mart(["personaleadministration"], ["model.fct_sick", "model.stg_ledger"])) == []


def test_a_purpose_the_system_does_not_allow_is_told_with_the_way_it_comes() -> None:
    (line,) = misused(with_mart(["personaleadministration", "oekonomistyring"], ["model.fct_sick"]))
    assert line.startswith("mart_new is for oekonomistyring, but loen may be used for personaleadministration only.")
    assert "fct_sick < stg_sick" in line
    assert "HR, who own loen" in line


def test_a_source_read_past_staging_counts() -> None:
    (line,) = misused(with_mart(["statistik"], ["source.raw_sick"]))
    assert "loen" in line


def test_governance_is_open_to_all_and_no_purpose_to_none() -> None:
    assert misused(with_mart(["it_governance"], ["model.fct_sick"])) == []
    (line,) = misused(with_mart([], []))
    assert line.startswith("mart_new has no purpose")


def test_a_published_model_is_held_to_its_purpose_like_a_mart() -> None:
    found = manifest()
    found["nodes"]["model.dim_sick"] = node("model", "dim_sick", "conformed", {"purpose": ["statistik"]}, ["model.stg_sick"])
    assert misused(found) == []
    found["nodes"]["model.dim_sick"]["config"]["meta"]["audience"] = ["bi_netvaerk"]
    assert len(misused(found)) == 1


def published(parents: list[str], tested: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    found = with_mart(["personaleadministration"], parents, audience=["bi_netvaerk"], **meta)
    if tested is not None:
        test = node("test", "t", "tests", {}, [])
        found["nodes"]["test.t"] = test | {
            "attached_node": "model.mart_new",
            "test_metadata": {"name": "not_recoverable", "kwargs": tested},
        }
    return found


def test_what_is_published_hides_small_cells_unless_it_says_that_it_tells_of_nobody() -> None:
    (line,) = unprotected(published(["model.fct_sick"], classification="P1"))
    assert line.startswith("mart_new draws on personal data of loen and hides no small cells. Declare `suppression`")
    (line,) = unprotected(published(["model.fct_sick"], classification="P1", suppression={"threshold": 5}))
    assert "the test `not_recoverable`" in line
    assert unprotected(published(["model.fct_sick"], {}, classification="P1", suppression={"threshold": 5})) == []
    assert unprotected(published(["model.fct_sick"], classification="P0")) == []
    assert unprotected(published(["model.stg_units"], classification="P1")) == []
    assert unprotected(manifest()) == [], "nobody is shown what is not published"


def test_what_is_published_says_of_what_class_it_is_and_persons_are_for_a_role_of_their_own() -> None:
    (line,) = unprotected(published(["model.fct_sick"]))
    assert line.startswith("mart_new is published and has no classification. Declare one of P0, ")
    (line,) = unprotected(published(["model.fct_sick"], classification="P3"))
    assert line == "mart_new has rows about persons (P3) and is for bi_netvaerk. Give it to a role of its own"


@pytest.mark.parametrize(("declared", "tested"), [(2, {}), (5, {"threshold": 2})])
def test_no_cell_of_two_is_shown_whatever_a_mart_declares(declared: int, tested: dict[str, Any]) -> None:
    (line,) = unprotected(published(["model.fct_sick"], tested, classification="P1", suppression={"threshold": declared}))
    assert line.startswith("mart_new shows what rests on 2 persons. Declare a threshold of 3")


def test_such_a_project_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, register = Home(tmp_path), read_register()
    answers = [manifest(), with_mart(["statistik"], ["model.fct_sick"])]

    def parse(*_: object) -> None:
        (home.dbt / "target").mkdir(parents=True, exist_ok=True)
        (home.dbt / "target" / "manifest.json").write_text(json.dumps(answers.pop(0)))
        (home.dbt / "target" / "partial_parse.msgpack").touch()

    monkeypatch.setattr("orchestration.dbt.parse", parse)
    monkeypatch.setattr("orchestration.dbt.write_lineage", lambda *_: None)
    monkeypatch.setattr("orchestration.dbt.write_metrics", lambda *_: None)
    prepare_manifest(register, home)
    before = home.manifest.read_text()
    changed = copy.deepcopy(register)
    changed.systems.popitem()
    with pytest.raises(DbtError, match="mart_new is for statistik, but loen may be used for personaleadministration only"):
        prepare_manifest(changed, home)
    assert home.manifest.read_text() == before
