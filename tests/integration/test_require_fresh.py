"""A mart that requires fresh data is left as it was while a system upstream is stale; its owner is told, the rest is built."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import duckdb
import yaml
from municipality_support import Municipality

from ingestion.register import Register, read_register
from orchestration.freshness import held_back, last_loads, stale_tables

MONTH = timedelta(days=30)


def age(municipality: Municipality, system_id: str, by: timedelta) -> None:
    """Make the loads of a system older than they are."""
    path = municipality.home.raw_file(system_id)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"update raw.load_log set started_at = started_at - interval {int(by.total_seconds())} second")


def stale(register: Register, municipality: Municipality) -> dict[str, list[str]]:
    return stale_tables(register, last_loads(register.systems, municipality.home), datetime.now(UTC))


def test_a_mart_waits_for_fresh_data(municipality: Municipality) -> None:
    path = municipality.project / "models" / "marts" / "schema.yml"
    content = yaml.safe_load(path.read_text())
    for model in content["models"]:
        if model["name"] == "mart_beta":
            model["config"]["meta"]["require_fresh"] = True
    path.write_text(yaml.safe_dump(content))
    assert municipality.refresh().ok
    register = read_register(municipality.register)
    assert stale(register, municipality) == {}
    for system_id in ("alfa", "beta"):
        age(municipality, system_id, MONTH)
    assert stale(register, municipality) == {
        "alfa": ["ting"],
        "beta": ["ting"],
    }
    municipality.model("alfa", "select 7 as nr, 'nyt' as navn from " + '{{ source("alfa", "ting") }}')
    municipality.model("beta", "select nr, navn, 1 as nyt from " + '{{ source("beta", "ting") }} limit 0')
    result = municipality.refresh(systems=["gamma"])
    assert sorted(check for check in result.stages[1].failed_checks if ": freshness: " in check) == [
        f"raw/{system_id}/ting: freshness: Sidst hentet for 720 timer siden; se hvorfor i systemets kørsler"
        for system_id in ("alfa", "beta")
    ]
    assert result.ok
    assert municipality.rows("mart_beta") == 2, "as it was: it requires fresh data"
    with duckdb.connect(str(municipality.home.warehouse), read_only=True) as connection:
        assert connection.execute("select distinct nr from main_marts.mart_alfa").fetchall() == [(7,)], "built on old data"
    troubles = [trouble["what"] for trouble in json.loads(municipality.home.heartbeat.read_text())["troubles"]]
    assert "Tabellen mart_beta bygges ikke: den kræver friske data, og beta er for gammel." in troubles
    assert municipality.refresh().ok
    assert municipality.rows("mart_beta") == 0, "fresh again, and built"


def test_what_lies_upstream_counts_however_far() -> None:
    def model(name: str, parents: list[str], **meta: object) -> dict[str, object]:
        return {
            "resource_type": "model",
            "name": name,
            "fqn": ["f", "marts", name],
            "depends_on": {"nodes": parents},
            "config": {"meta": meta},
        }

    manifest = {
        "sources": {"source.s.t": {"source_name": "s", "name": "t"}, "source.u.t": {"source_name": "u", "name": "t"}},
        "nodes": {
            "model.stg": model("stg", ["source.s.t"]),
            "model.far": model("far", ["model.stg", "source.u.t"], require_fresh=True),
            "model.easy": model("easy", ["model.stg"]),
        },
    }
    assert held_back(manifest, {"s": ["t"]}) == {"model.far": ["s"]}
    assert held_back(manifest, {"s": ["t"], "u": ["t", "x"]}) == {"model.far": ["s", "u"]}
    assert held_back(manifest, {"s": ["other"]}) == {}
