"""Reference data held up against what it follows."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import holidays
import pytest
import yaml

from ingestion.home import Home
from ingestion.register import RegisterError, read_register
from ingestion.register.generate import generate
from ingestion.register.vocabulary import terms
from ingestion.seeds import MENDINGS, read_mendings, seed_problems
from orchestration.dbt import DbtError, prepare_manifest

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
        columns = (SEEDS / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
        assert [column["name"] for column in seed["columns"]] == columns, name
        assert list(seed["config"]["column_types"]) == columns, name


def test_functions_belong_to_a_main_account() -> None:
    main_accounts = {row["hovedkonto"] for row in rows("hovedkonti")}
    assert {row["funktion"][0] for row in rows("kontoplan_funktioner")} <= main_accounts


def test_every_look_up_that_is_committed_is_sound() -> None:
    assert seed_problems(SEEDS) == []


def test_what_is_wrong_in_a_look_up_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    """A key that comes twice would double what is joined to it: such a project is not taken."""
    (tmp_path / "_seeds.yml").write_text(
        "seeds:\n"
        "  - name: koder\n"
        "    config: {column_types: {kode: varchar, navn: varchar, antal: integer, forfatter: varchar, dato: date}}\n"
        "    data_tests: [{unique_key: {arguments: {columns: [kode]}}}]\n"
    )
    file = tmp_path / "koder.csv"
    file.write_text(
        "kode,navn,antal,forfatter,dato\n"
        'a,"Vand, varme",1,Hold,2026-11-24\n'
        "b,Vand,to,,24-11-2026\n"
        'a,"Sagt ""nej""",2,Hold,2026-11-24\n'
        "c,for få\n"
        'd,"åben,1,Hold,2026-11-24\n'
        ",Uden,,Hold,2026-11-24\n"
    )
    problems = seed_problems(tmp_path)
    assert [str(problem).removeprefix(f"{file}:") for problem in problems] == [
        "3:8: 'to' is not a whole number. Write it so",
        "3:11: 'forfatter' is empty. Fill it in",
        "3:12: '24-11-2026' is not a date such as 2026-11-24. Write it so",
        "4:1: kode 'a' stands in line 2 already. Keep one of them",
        "5:1: 2 values for 5 columns. Put a value with a comma in quotes",
        "6:1: a quote is not closed. Double the quotes inside a value",
        "7:1: 'kode' is empty. Fill it in",
    ]
    file.write_text("navn,kode\nVand,a\n")
    assert ["1:1: the columns are not those" in str(problem) for problem in seed_problems(tmp_path)] == [True]


def test_two_decisions_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    """A text is one address: linked to two, its rows would be doubled. Several that it is not are no contradiction."""
    shutil.copytree(SEEDS, tmp_path / "seeds")
    file = tmp_path / "seeds" / "koblinger.csv"
    begins = len(file.read_text(encoding="utf-8").splitlines())
    decided = (("a", "ja"), ("b", "nej"), ("c", "nej"), ("d", "ja"), ("a", "nej"))
    with file.open("a", encoding="utf-8") as rows_:
        rows_.writelines(f"adresse,Torvet 1,{target},{answer},Byggesager,2026-11-27,Set på kort\n" for target, answer in decided)
    assert [f"{problem.line - begins}: {problem.message}" for problem in seed_problems(tmp_path / "seeds")] == [
        "4: slags, tekst 'adresse, Torvet 1' stands in line 3 already where afgoerelse = 'ja'. Keep one of them",
        "5: slags, tekst, maal 'adresse, Torvet 1, a' stands in line 3 already. Keep one of them",
    ]


def test_a_look_up_with_an_error_stops_dbt_before_it_loads(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SEEDS, tmp_path / "seeds")
    look_up = tmp_path / "seeds" / "dranst.csv"
    lines = look_up.read_text(encoding="utf-8").splitlines(keepends=True)
    look_up.write_text("".join([*lines, lines[1]]), encoding="utf-8")
    monkeypatch.setattr("orchestration.dbt.INPUTS", (tmp_path / "seeds",))
    monkeypatch.setattr("orchestration.dbt.ROOT", tmp_path)
    with pytest.raises(DbtError, match=rf"dranst.csv:{len(lines) + 1}:1: dranst '1' stands in line 2 already"):
        prepare_manifest(read_register(), home)


def test_a_mending_must_fit_the_register(tmp_path: Path) -> None:
    """What names persons may not stand in a look-up, and what changes nothing is a mistake; all of it is told at once."""
    shutil.copytree(SEEDS, tmp_path / "seeds")
    file = tmp_path / "seeds" / MENDINGS
    why = ",Ydelsesteamet,2026-11-26,Kildens skrivefejl\n"
    calculated = "ydelsesrefusion,beregninger,"
    rows = [
        f"{calculated}Ydelse,Sygedp.,Sygedagpenge",
        f"{calculated}Ydelse,S-dp,Sygedagpenge",
        f"{calculated}Beløb,ukendt,",
        "ydelsesrefusoin,beregninger,Ydelse,a,b",
        "ydelsesrefusion,beregning,Ydelse,a,b",
        f"{calculated}ydelser,a,b",
        f"{calculated}CPR-nummer,a,b",
        "cpr_sf6002,navne,fornavn,a,b",
        f"{calculated}Ydelsesuge,010185-1234,2026W01",
        f"{calculated}Ydelsesuge, 2026U01,2026W01",
        f"{calculated}Ydelsesuge,2026W01,2026W01",
        "cpr_sf6002,personer,koen,Mand,H",
    ]
    header = (SEEDS / MENDINGS).read_text(encoding="utf-8").splitlines()[0] + "\n"
    file.write_text(header + "".join(f"{row}{why}" for row in rows[:3]), encoding="utf-8")
    register = read_register()
    assert read_mendings(tmp_path / "seeds", register) == {
        ("ydelsesrefusion", "beregninger"): {
            "ydelse": {"Sygedp.": "Sygedagpenge", "S-dp": "Sygedagpenge"},
            "beloeb": {"ukendt": ""},
        }
    }
    file.write_text(header + "".join(f"{row}{why}" for row in [*rows, rows[0]]) + rows[0] + ",,,\n", encoding="utf-8")
    with pytest.raises(RegisterError) as caught:
        read_mendings(tmp_path / "seeds", register)
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert [line for line, _ in places] == [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15]
    assert places[:9] == [(5, 1), (6, 17), (7, 29), (8, 29), (9, 18), (10, 40), (11, 40), (12, 48), (13, 31)]
    assert "010185" not in str(caught.value)


def test_a_mending_that_is_written_and_not_generated_is_told(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would change nothing, in silence; and one that is taken out would go on being applied."""
    register, parsed = read_register(), AssertionError("the project is parsed")
    shutil.copytree(SEEDS, tmp_path / "seeds")
    file = tmp_path / "seeds" / MENDINGS
    header = file.read_text(encoding="utf-8").splitlines()[0] + "\n"
    row = "ydelsesrefusion,beregninger,Ydelse,{},Sygedagpenge,Ydelsesteamet,2026-11-26,Skrivefejl\n"
    model = tmp_path / "dbt_project/models/staging/social_arbejdsmarked/ydelsesrefusion/stg_ydelsesrefusion__beregninger.sql"
    (broken := tmp_path / "ingestion" / "systems" / "oekonomi_indkoeb" / "itu.yml").parent.mkdir(parents=True)
    broken.touch()
    monkeypatch.setattr("orchestration.dbt.INPUTS", (tmp_path / "seeds", tmp_path / "dbt_project"))
    monkeypatch.setattr("orchestration.dbt.ROOT", tmp_path)
    monkeypatch.setattr("orchestration.dbt.parse", Mock(side_effect=parsed))

    def prepared() -> str:
        with pytest.raises((DbtError, AssertionError)) as caught:
            prepare_manifest(register, home)
        return str(caught.value).removeprefix(f"{file}:")

    told = f"{model.relative_to(tmp_path)} was generated from other rows than stand here. Run `faellesdata systems generate`"
    generate(register, tmp_path)
    file.write_text(header + row.format("S-dp"), encoding="utf-8")
    assert prepared() == f"2:1: {told}"
    generate(register, tmp_path)
    assert prepared() == str(parsed)
    file.write_text(header + row.format("S-dp") + row.format("Sygedp."), encoding="utf-8")
    assert prepared() == f"2:1: {told}"
    file.write_text(header, encoding="utf-8")
    assert prepared() == f"1:1: {told}"

    # Of a system whose register file cannot be read is told there; of one that there is not, here.
    generate(register, tmp_path)
    file.write_text(header + row.format("S-dp").replace("ydelsesrefusion", "itu"), encoding="utf-8")
    assert prepared() == str(parsed)
    file.write_text(header + row.format("S-dp").replace("ydelsesrefusion", "uti"), encoding="utf-8")
    assert prepared().startswith("2:1: no system 'uti'")

    # A model that is written by hand must read it so itself.
    file.write_text(header + row.format("S-dp"), encoding="utf-8")
    model.write_text("select 1 as ydelse\n", encoding="utf-8")
    assert prepared().startswith(f"2:1: {model.relative_to(tmp_path)} is written by hand")
    model.write_text("select {{ mended('ydelse', {'S-dp': 'Sygedagpenge'}) }} as ydelse\n", encoding="utf-8")
    assert prepared() == str(parsed)
