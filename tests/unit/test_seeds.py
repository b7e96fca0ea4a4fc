"""Reference data held up against what it follows."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import holidays
import pytest
import yaml

from ingestion.register.vocabulary import terms

SEEDS = Path(__file__).resolve().parents[2] / "seeds"


def rows(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_public_holidays() -> None:
    seeded = {date.fromisoformat(row["dato"]): row["helligdag"] for row in rows("helligdage")}
    assert seeded == dict(sorted(holidays.country_holidays("DK", years=range(2020, 2031), language="da").items()))
    assert {day.year for day, name in seeded.items() if name == "Store bededag"} == {2020, 2021, 2022, 2023}


def test_municipalities_and_regions() -> None:
    seeded = rows("kommuner")
    assert len(seeded) == len({row["kommunekode"] for row in seeded}) == len({row["kommune"] for row in seeded}) == 98
    assert {row["regionskode"]: row["region"] for row in seeded} == {
        "1081": "Region Nordjylland",
        "1082": "Region Midtjylland",
        "1083": "Region Syddanmark",
        "1084": "Region Hovedstaden",
        "1085": "Region Sjælland",
    }
    assert {"kommunekode": "0306", "kommune": "Odsherred", "regionskode": "1085", "region": "Region Sjælland"} in seeded


@pytest.mark.parametrize(
    ("seed", "vocabulary", "column"),
    [("fagomraader", "departments", "fagomraade"), ("noegledomaener", "key_domains", "noegledomaene")],
)
def test_lists_that_follow_the_vocabulary(seed: str, vocabulary: str, column: str) -> None:
    titles = {code: term.title for code, term in terms(vocabulary).items()}
    assert {row[column]: row[f"{column}_navn"] for row in rows(seed)} == titles


def test_every_seed_is_documented_column_by_column() -> None:
    documented = {seed["name"]: seed for seed in yaml.safe_load((SEEDS / "_seeds.yml").read_text(encoding="utf-8"))["seeds"]}
    assert set(documented) == {path.stem for path in SEEDS.glob("*.csv")}
    for name, seed in documented.items():
        columns = list(rows(name)[0])
        assert [column["name"] for column in seed["columns"]] == columns, name
        assert list(seed["config"]["column_types"]) == columns, name


def test_functions_belong_to_a_main_account() -> None:
    main_accounts = {row["hovedkonto"] for row in rows("hovedkonti")}
    assert {row["funktion"][0] for row in rows("kontoplan_funktioner")} <= main_accounts
