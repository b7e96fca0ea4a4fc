"""Question 10: how good data are, kept day by day, and where each number comes from."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest
from town_support import Town

from ingestion.home import Home
from ingestion.register import read_register
from orchestration.dbt import DbtOutcome, build
from serving.query import run_query

ROLE = "bi_netvaerk"


def test_the_quality_score_follows_the_planted_defects(ask: Any, truth: dict[str, Any]) -> None:
    rows = {row[0]: row[1:] for row in ask("select * exclude (fagomraade) from marts.mart_datakvalitet_score")}
    held = {(system, name): table["rows"] for system, tables in truth["systems"].items() for name, table in tables.items()}
    for system in truth["systems"]:
        assert rows[system][1] == sum(count for (owner, _), count in held.items() if owner == system), system
    perfect, spoilt = rows["budgetaftale"], rows["specialtilbud"]
    assert perfect[2:5] == (100, 100, 100)
    # Planted in the placements: two that lack a number, four values that cannot be read, one line twice; of those and the rates.
    kinds, total = truth["planted"]["specialtilbud"]["placeringer"], spoilt[1]
    assert kinds["dubleret række"] == 1
    assert float(spoilt[4]) == pytest.approx(100 * (1 - 1 / total), abs=0.01)
    assert float(spoilt[3]) == pytest.approx(100 * (1 - 4 / total), abs=0.01)
    # All tables have just been loaded.
    assert {row[5] for row in rows.values()} == {100}
    assert all(
        float(row[7])
        == pytest.approx(sum(map(float, filter(None, row[2:7]))) / len([p for p in row[2:7] if p is not None]), abs=0.01)
        for row in rows.values()
    )


def test_every_number_is_traced_to_its_source(home: Home) -> None:
    content = json.loads(home.lineage.read_text(encoding="utf-8"))
    assert content["problems"] == {}
    nodes = json.loads((home.dbt / "manifest.json").read_text(encoding="utf-8"))["nodes"].values()
    columns = {
        (node["name"], column)
        for node in nodes
        if node["resource_type"] == "model" and (node["schema"] == "marts" or node["config"]["meta"].get("audience"))
        for column in node["columns"]
    }
    assert {(origin["mart"], origin["mart_column"]) for origin in content["origins"]} >= columns
    _, rows = run_query(
        home, ROLE, "select mart, kolonne, system_id, tabel, kildekolonne, anvendelse from mart_kolonneafstamning"
    )
    found = set(rows)
    for known in [
        ("mart_ydelse_refusion", "refusion", "ydelsesrefusion", "beregninger", "Refusionsbeløb", "værdi"),
        ("mart_ydelse_refusion", "refusion", "ydelsesrefusion", "beregninger", "CPR-nummer", "betingelse"),
        ("mart_ydelse_refusion", "uger", "ydelsesrefusion", "beregninger", "*", "værdi"),
        ("mart_budgetopfoelgning", "forbrug", "opus_oekonomi", "posteringer", "Beloeb", "værdi"),
        ("mart_fravaer_vikar", "leverede_timer", "nexus", "besoeg", "deliveredMinutes", "værdi"),
        ("mart_systemoverblik", "raekker", "platform", "loads", "table_rows", "værdi"),
        ("mart_ydelse_refusion", "ydelsesgruppe", "", "ydelser", "ydelsesgruppe", "værdi"),
    ]:
        assert known in found, known
    # What comes of no column is what a model counts out itself: months, quarters, names of rows.
    made = {(mart, column) for mart, column, *_ in rows} - {
        (origin["mart"], origin["mart_column"]) for origin in content["origins"] if origin["kind"] != "beregnet"
    }
    period = {"foerste_dag", "sidste_dag", "er_supplement"}
    # The list of links to decide says itself of which system and department each is.
    review = {("mart_koblinger_til_gennemsyn", column) for column in ("fagomraade", "slags", "system_id")}
    measures = {
        column
        for _, column in made - review
        if not column.startswith(("dato", "aar", "kvartal", "maaned", "iso_", "uge", "skoleaar", "periode"))
    }
    assert measures <= {"regnskabsaar", "regnskabsperiode", "halvaar", "fase", "raekketype", "omraadetype", "niveau"} | period


HISTORY = ("mart_datakvalitet_historik", "mart_karantaene_historik")


def test_quality_and_quarantine_are_kept_day_by_day(town: Town) -> None:
    """Yesterday stays, whatever is rebuilt; a night that is repeated is told once."""
    register, home = read_register(town.register), town.home
    with duckdb.connect(str(home.warehouse)) as connection:
        now = {name: connection.execute(f"select count(*) from marts.{name}").fetchall() for name in HISTORY}
        assert (
            now["mart_datakvalitet_historik"]
            == connection.execute("select count(*) from marts.mart_datakvalitet_score").fetchall()
        )
        reasons = connection.execute("select count(distinct (system_id, aarsag)) from marts.mart_datakvalitet").fetchall()
        assert now["mart_karantaene_historik"] == reasons
        assert reasons != [(0,)]
        for name in HISTORY:
            connection.execute(f"update marts.{name} set dato = dato - 1")
        yesterday = {name: connection.execute(f"select * from marts.{name} order by all").fetchall() for name in HISTORY}
    for _ in range(2):
        outcome = DbtOutcome()
        list(build(register, home, list(HISTORY), outcome))
        assert not outcome.failed_models
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        for name in HISTORY:
            days = connection.execute(f"select dato, count(*) from marts.{name} group by 1 order by 1").fetchall()
            assert [count for _, count in days] == [now[name][0][0]] * 2, name
            kept = connection.execute(f"select * from marts.{name} where dato = ? order by all", [days[0][0]]).fetchall()
            assert kept == yesterday[name]
        ((wrong, shown),) = connection.execute(
            "select (select sum(antal) from marts.mart_karantaene_historik where dato = (select max(dato) from"
            " marts.mart_karantaene_historik)), (select count(*) from quality.quarantine)"
        ).fetchall()
        assert wrong == shown
