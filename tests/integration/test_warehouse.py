"""The dbt project, built whole on a handful of rows: what reaches staging, what stands in quarantine, what may be published.

All other systems are empty, as on an installation's first night: every model and test must hold there too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from manifest_support import lend_manifest
from typer.testing import CliRunner

from cli.main import app
from ingestion.dbt_profile import write_profile
from ingestion.home import Home
from ingestion.platform import build_platform
from ingestion.register import read_register
from ingestion.vault import attach_vault, build_vault, purpose_key
from orchestration import plan
from orchestration.dbt import PROJECT, _invoke, prepared
from serving.purposes import misused

ROOT = Path(__file__).resolve().parents[2]
ANNA, BO, CLARA = "0101851234", "6502801111", "0703154321"  # Bo's is a replacement number (day 05 + 60)
FILE = "yr-ydelsesrefusion-beregning2026-01-31.csv"
BENEFITS = [
    # load id, line, cpr, benefit, week, amount, percent, refund, share, financing, calculated
    ("1", 2, "101851234", "Sygedagpenge", "2026W02", "4.550,00", "80,00", "3.640,00", "910,00", "306", "31-01-2026"),
    ("1", 3, "101851234", "Sygedagpenge", "2026W02", "4.550,00", "80,00", "3.640,00", "910,00", "306", "31-01-2026"),
    ("1", 4, "650280-1111", "Sygedagpenge", "2026W02", "4.550,00-", "80,00", "(3.640,00)", "kr. 910,00", "", "31.01.2026"),
    ("1", 5, "0101851234", "Sygedagpenge", "2026W03", "4550.00", "80,00", "3.640,00", "910,00", "0306", "00-00-0000"),
    ("1", 6, "3102901234", "Sygedagpenge", "2026W03", "1,00", "80,00", "1,00", "0,00", "306", "31-01-2026"),
    ("1", 7, "", "Sygedagpenge", "2026W03", "1,00", "80,00", "1,00", "0,00", "306", "31-01-2026"),
    ("1", 8, "0101851234", "Ukendt ydelse", "2026W03", "1,00", "80,00", "1,00", "0,00", "306", "31-01-2026"),
    ("2", 2, "101851234", "Sygedagpenge", "2026W02", "4.600,00", "80,00", "3.680,00", "920,00", "306", "28-02-2026"),
    ("2", 3, "0101851234", "Fleksbidrag fra staten", "2026W02", "1,00", "0,00", "0,00", "1,00", "306", "28-02-2026"),
]
PERSONS = [(ANNA, "01", "", "K", "1985-01-01"), (BO, "01", "", "M", "1980-02-05"), (CLARA, "90", "20250630", "K", "2015-03-07")]
ADDRESSES = [
    (ANNA, "0306", "0021", "20200101", "20240831"),
    (ANNA, "0316", "0001", "20240901", "00000000"),
    (BO, "0306", "0021", "19800205", ""),
    (CLARA, "0306", "0045", "20150307", ""),
]


def dbt(home: Home, *arguments: str) -> None:
    """Run dbt on the home's manifest; what fails is told by name."""
    manifest, _ = prepared(read_register(), home)
    done = _invoke([*arguments], home, manifest)
    assert done.exception is None, done.exception
    assert done.success, [f"{result.node.name}: {result.message}" for result in done.result if result.status in ("error", "fail")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    register = read_register()
    build_platform(register, home)
    with duckdb.connect(str(home.raw_file("ydelsesrefusion"))) as raw:
        columns = ", ".join(register.systems["ydelsesrefusion"].tables["beregninger"].raw_names().values())
        for load_id, line, *values in BENEFITS:
            raw.execute(
                f"insert into raw.beregninger (_dlt_load_id, _source_ref, _source_row, {columns}) values ({', '.join('?' * 12)})",
                [load_id, FILE, line, *values],
            )
        raw.execute(
            "insert into raw.load_rejects (system_id, table_name, load_id, source_ref, source_row, reason, raw_text)"
            " values ('ydelsesrefusion', 'beregninger', '1', ?, 9, 'for få felter', '0101851234;Sygedagpenge')",
            [FILE],
        )
    with duckdb.connect(str(home.raw_file("cpr_sf6002"))) as raw:
        for line, person in enumerate(PERSONS):
            raw.execute(
                "insert into raw.personer (_dlt_load_id, _source_row, cpr, status, statushaenstart, koen, foed_dt)"
                " values ('1', ?, ?, ?, ?, ?, ?)",
                [line, *person],
            )
        for line, address in enumerate(ADDRESSES):
            raw.execute(
                "insert into raw.adresser"
                " (_dlt_load_id, _source_row, cpr, kommunekode, vejkode, tilflytningsdato, fraflytningsdato)"
                " values ('1', ?, ?, ?, ?, ?, ?)",
                [line, *address],
            )
        raw.execute(
            "insert into raw.beskyttelse (_dlt_load_id, _source_row, cpr, beskyttelsestype, startdato, slutdato)"
            " values ('1', 1, ?, '0001', '20250101', '')",
            [BO],
        )
    with duckdb.connect(str(home.raw_file("opus_loen"))) as raw:
        for line, unit in enumerate(("10", "20", "30")):
            raw.execute(
                "insert into raw.ansaettelser (_dlt_load_id, _source_row, id, last_changed, cpr, org_unit, entry_date)"
                " values ('1', ?, ?, '2026-01-01', ?, ?, '2026-01-01')",
                [line, "100" if line < 2 else "101", ANNA, unit],
            )
    with duckdb.connect(str(home.raw_file("opus_oekonomi"))) as raw:
        budget = [("2026", "0000301234", *line) for line in (("1", "500.00"), ("2", "120.00-"), ("3", "ca. 7"))]
        for line, values in enumerate([*budget, ("Anna", ANNA, "1", "500.00")]):  # of the last the fields have slipped
            raw.execute(
                "insert into raw.budget"
                " (_dlt_load_id, _source_row, version, artskonto, funktion, gjahr, omkostningssted, dranst, beloeb)"
                " values ('1', ?, '1', '52000100', '5.57.73', ?, ?, ?, ?)",
                [line, *values],
            )
    build_platform(register, home)
    build_vault(register, home)
    write_profile(register, home)
    lend_manifest(register, home, shared)
    dbt(home, "build")  # seeds, models, data tests and unit tests
    return home


@pytest.fixture
def warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def models(home: Home) -> dict[str, Any]:
    manifest = json.loads(home.manifest.read_text(encoding="utf-8"))
    nodes = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    for test in manifest["nodes"].values():
        if test["resource_type"] == "test" and test.get("attached_node"):
            name = test["attached_node"].split(".")[-1]
            if name in nodes:
                nodes[name].setdefault("tested_by", set()).add(test["test_metadata"]["name"])
    for test in manifest["unit_tests"].values():
        nodes[test["model"]]["unit_tested"] = True
    for exposure in manifest["exposures"].values():
        for name in exposure["depends_on"]["nodes"]:
            nodes[name.split(".")[-1]]["exposed"] = True
    return nodes


def test_the_warehouse_packs_its_text_by_the_newest_storage(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        "select tags['storage_version'] from duckdb_databases() where database_name = 'warehouse'"
    ).fetchone()
    # As DuckDB makes a file by itself, v1.0.0+, writing a fact takes half as long again.
    assert found == ("v1.5.0+",)


def test_values_are_converted(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute(
        "select uge_mandag::varchar, beloeb::integer, refusion::integer, finansieringskommune, beregningsdato::varchar,"
        " _dlt_load_id from staging.stg_ydelsesrefusion__beregninger where ydelse = 'Sygedagpenge' order by all"
    ).fetchall()
    assert rows == [
        ("2026-01-05", -4550, -3640, None, "2026-01-31", "1"),
        ("2026-01-05", 4600, 3680, "0306", "2026-02-28", "2"),
        ("2026-01-12", None, 3640, "0306", None, "1"),
    ]


def test_what_does_not_convert_stands_in_quarantine(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute(
        "select load_id, source_row, column_name, reason, raw_value, row_dropped from quality.quarantine"
        " where system_id = 'ydelsesrefusion' order by load_id, source_row"
    ).fetchall()
    key = "cpr_nummer, ydelse, ydelsesuge"
    assert rows == [
        ("1", 2, key, "dubleret nøgle", "999999999 | aaaaaaaaaaaa | 9999a99", True),
        ("1", 3, key, "dubleret nøgle", "999999999 | aaaaaaaaaaaa | 9999a99", True),
        ("1", 5, "beloeb", "kan ikke konverteres", "9999.99", False),
        ("1", 6, "cpr_nummer", "kan ikke konverteres", "9999999999", True),
        ("1", 7, "cpr_nummer", "mangler", "", True),
        ("1", 8, "ydelse", "ukendt værdi", "aaaaaa aaaaaa", True),
        ("1", 9, None, "for få felter", "9999999999;aaaaaaaaaaaa", True),
    ]


def test_citizens_as_they_were(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Anna moved out, Bo is protected, Clara went to school and died; nobody's birth date or street is there."""
    rows = warehouse.execute(
        "select koen, kommunekode, skoledistrikt, aldersgruppe, adressebeskyttet, gyldig_fra::varchar, gyldig_til::varchar"
        " from conformed.dim_borger where person_id is not null and gyldig_fra >= date '2018-01-01' order by koen, gyldig_fra"
    ).fetchall()
    assert rows == [
        ("K", "0306", "D06", "3-5 år", False, "2018-03-07", "2021-03-06"),
        ("K", "0306", "D08", "25-39 år", False, "2020-01-01", "2024-08-31"),
        ("K", "0306", "D06", "6-16 år", False, "2021-03-07", "2025-06-30"),
        ("K", "0316", "-1", "25-39 år", False, "2024-09-01", "2024-12-31"),
        ("K", "0316", "-1", "40-66 år", False, "2025-01-01", "9999-12-31"),
        ("M", "0306", "-1", "40-66 år", True, "2020-02-05", "9999-12-31"),
    ]


def test_fact_joins_the_citizen_of_that_day(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute(
        "select distinct borger.kommunekode from conformed.fct_ydelse as ydelse"
        " inner join conformed.dim_borger as borger using (borger_noegle) where borger.koen = 'K'"
    ).fetchall()
    assert rows == [("0316",)]
    left = warehouse.execute("select count(*) from conformed.fct_ydelse where ydelsesgruppe like 'Fleksbidrag%'").fetchone()
    assert left == (0,)


def test_an_employment_is_in_one_unit_a_day(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Told twice of the same day, the last line holds and the other goes to its owner; the person's second employment stays."""
    rows = warehouse.execute(
        "select medarbejdernummer, enhed_id from intermediate.int_ansaettelse__versioner order by medarbejdernummer"
    ).fetchall()
    assert rows == [("100", "20"), ("101", "30")]
    found = warehouse.execute(
        "select column_name, reason, raw_value, row_dropped from quality.quarantine where system_id = 'opus_loen'"
    ).fetchall()
    assert found == [("id, last_changed", "dubleret nøgle", "100 | 2026-01-01", True)]


def test_cost_and_refund_on_one_account_are_two_lines_of_the_budget(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert warehouse.execute("select dranst, beloeb::integer from conformed.fct_budget order by dranst").fetchall() == [
        ("1", 500),
        ("2", -120),
        ("3", None),
    ]
    # Whoever corrects it finds the line by what the source calls it, but for a CPR number.
    found = warehouse.execute(
        "select column_name, row_key from quality.quarantine where table_name = 'budget' order by source_row"
    ).fetchall()
    assert found == [
        ("beloeb", ["2026", "1", "0000301234", "52000100", "5.57.73", "3"]),
        ("gjahr", ["Anna", "1", "######-####", "52000100", "5.57.73", "1"]),
    ]


def test_small_cells_are_hidden(warehouse: duckdb.DuckDBPyConnection) -> None:
    """The month's total too, which is nothing but the small cell."""
    rows = warehouse.execute(
        "select ydelsesgruppe, personer, uger, brutto, refusion, diskretioneret from marts.mart_ydelse_refusion order by all"
    ).fetchall()
    assert rows == [("I alt", None, None, None, None, True), ("Sygedagpenge", None, None, None, None, True)]


def test_overview_lists_every_system(warehouse: duckdb.DuckDBPyConnection) -> None:
    query = "select system_id, friskhed from marts.mart_systemoverblik where tilslutning = 'tilsluttet'"
    rows = dict(warehouse.execute(query).fetchall())
    assert set(rows) == set(read_register().systems)
    assert set(rows.values()) == {"aldrig indlæst"}


def test_no_cpr_number_anywhere(warehouse: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Neither in a column of any schema nor in the bytes of the file."""
    numbers = f"{ANNA[1:]}|{BO}|{CLARA}|650280-1111|3102901234"
    columns = warehouse.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where data_type = 'VARCHAR' and not internal"
    )
    for schema, table, column in columns.fetchall():
        found = warehouse.execute(
            f"""select count(*) from "{schema}"."{table}" where regexp_matches("{column}", '{numbers}')"""
        ).fetchone()
        assert found == (0,), f"{schema}.{table}.{column}"
    content = home.warehouse.read_bytes()
    assert not [number for number in (ANNA, BO, CLARA, "3102901234") if number.encode() in content]


def test_persons_go_by_a_name_of_the_marts_purpose(warehouse: duckdb.DuckDBPyConnection, home: Home) -> None:
    """The benefits' two persons are there by their names for that purpose, and by no other; no file holds the secret."""
    with duckdb.connect() as vault:
        attach_vault(vault, home)
        names = {
            purpose: {
                name
                for (name,) in vault.execute("select pseudonym from vault.pseudonyms where purpose = ?", [purpose]).fetchall()
            }
            for purpose in ("ydelsesadministration", "personaleadministration")
        }
    found = {name for (name,) in warehouse.execute("select pseudonym from marts.mart_borger_ydelsesforloeb").fetchall()}
    assert len(found) == 2
    assert found <= names["ydelsesadministration"]
    assert not found & names["personaleadministration"]
    master = home.pseudonym_key.read_text()
    secrets = [master.encode()]
    for purpose in names:
        key = purpose_key(master, purpose)
        secrets += [key, key.hex().encode()]
    files = [path for path in home.path.rglob("*") if path.is_file() and path != home.pseudonym_key]
    assert {path.name for path in files} >= {"manifest.json", "dbt.log", "run_results.json", "warehouse.duckdb"}
    assert not [path for path in files for secret in secrets if secret in path.read_bytes()]


def test_a_cpr_number_in_any_model_is_found(home: Home) -> None:
    """In free text too, and where no other test looks: the one test of all models fails on it, and passes without."""
    test = ("test", "--select", "in_no_model__person_keys")
    dbt(home, *test)
    with duckdb.connect(str(home.warehouse)) as writer:
        writer.execute(
            "update staging.stg_ydelsesrefusion__beregninger set ydelse = 'ring 650280-1111' where uge_mandag is not null;"
            # What dbt wrote down when it made the table says nothing of this.
            "delete from main.digits where model_name = 'staging.stg_ydelsesrefusion__beregninger'"
        )
    try:
        with pytest.raises(AssertionError, match="in_no_model__person_keys"):
            dbt(home, *test)
    finally:
        dbt(home, "run", "--select", "stg_ydelsesrefusion__beregninger")


def test_what_dbt_makes_by_hand_the_next_refresh_makes_again(home: Home) -> None:
    """A trial that is taken back would stay for ever: its recipe is what it was when the table was noted."""
    made, other, test = "model.faellesdata.dim_kommune", "model.faellesdata.dim_kle", "test.faellesdata.unique_key__dim_kommune.0"
    plan.write_state(home, {name: plan.Made("version", "code", "", "ok") for name in (made, other, test)})
    done = CliRunner().invoke(app, ["dbt", "--home", str(home.path), "build", "--select", "dim_kommune", "--quiet"])
    assert done.exit_code == 0, done.output
    with duckdb.connect(str(home.warehouse)) as connection:
        rows = connection.execute("select unique_id, status from main.build_state").fetchall()
        connection.execute("drop table main.build_state")
    assert dict(rows) == {made: "begun", other: "ok", test: "ok"}


def test_dbt_by_hand_ends_as_dbt_does(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    """Its options are dbt's, and what it writes is nowhere in the repository."""
    assert CliRunner().invoke(app, ["dbt", "--home", str(home.path), "ls", "--select", "mart_flytning"]).exit_code == 0
    assert "faellesdata.marts.cross_department.mart_flytning" in capfd.readouterr().out
    assert CliRunner().invoke(app, ["dbt", "--home", str(home.path), "run", "--no-such-option"]).exit_code == 2
    assert not (ROOT / "dbt_project" / "target").exists()
    assert not (ROOT / "dbt_project" / "logs").exists()


def test_every_model_is_described_and_owned(models: dict[str, Any]) -> None:
    for name, node in models.items():
        assert node["description"].startswith("Én række pr. "), f"{name}: the description's first line states the grain"
        assert node["config"]["group"], f"{name} has no owner group"
        assert all(column["description"] for column in node["columns"].values()), name
        if node["config"]["meta"].get("grain"):
            assert "unique_key" in node.get("tested_by", set()), f"{name}: its key is not tested"


def test_every_column_is_described(warehouse: duckdb.DuckDBPyConnection, models: dict[str, Any]) -> None:
    """Those that are there, and not those alone that somebody thought of."""
    there = warehouse.execute("select table_name, column_name from duckdb_columns() where not internal").fetchall()
    described = {(name, column) for name, node in models.items() for column in node["columns"]}
    assert {(name, column) for name, column in there if name in models} - described == set()


def test_names_follow_the_layers(models: dict[str, Any]) -> None:
    grammar = {
        "staging": r"stg_\w+__\w+",
        "quality": r"qua_\w+|quarantine",
        "intermediate": r"int_\w+__\w+",
        "conformed": r"(dim|fct|bro|xref)_\w+",
        "marts": r"mart_\w+",
    }
    for name, node in models.items():
        assert re.fullmatch(grammar[node["schema"]], name), name


def test_conformed_and_marts_have_contracts(models: dict[str, Any]) -> None:
    for name, node in models.items():
        if node["schema"] in ("conformed", "marts"):
            assert node["config"]["contract"]["enforced"], name
            assert node["config"]["meta"]["purpose"], name
            assert node["config"]["meta"]["legal_basis"], name


HISTORY = {"dim_medarbejder": "int_ansaettelse__versioner"}
"""A dimension that only dresses another model's versions: there stands the logic, and the unit test."""


OF_TODAY = {"mart_systemoverblik", "mart_datakvalitet_score", "mart_datakvalitet_historik", "mart_karantaene_historik"}
"""Marts of how old what is loaded is today, and how good."""


def test_the_rules_of_the_manifest(home: Home, models: dict[str, Any]) -> None:
    """Every model is tested by its key, every fact by its members, every history and every mart by what it makes of rows.

    No fact, no history and no mart of a department's data asks for the date: each new day would make it anew.
    """
    asks_for = plan.Project(json.loads(home.manifest.read_text(encoding="utf-8")), PROJECT).asks_for
    lacking = set()
    for name, node in models.items():
        if node["schema"] not in ("conformed", "marts"):
            continue
        meta, tested = node["config"]["meta"], node.get("tested_by", set())
        lacking |= {(name, key) for key in ("grain", "classification", "purpose", "legal_basis") if not meta.get(key)}
        lacking |= {(name, "unique_key")} - {(name, test) for test in tested}
        if name.startswith("fct_") and "members" not in tested:
            lacking.add((name, "members"))
        history = (name.endswith("_historik") and node["schema"] == "conformed") or name in ("dim_borger", "dim_medarbejder")
        if (history or name.startswith(("fct_", "mart_"))) and name not in OF_TODAY and asks_for[node["unique_id"]]:
            lacking.add((name, "the same on every day"))
        if history:
            lacking |= {(name, test) for test in ("intervals_apart", "intervals_meet") if test not in tested}
            if not models[HISTORY.get(name, name)].get("unit_tested"):
                lacking.add((name, "unit test"))
        if node["schema"] == "marts":
            lacking |= {(name, key) for key in ("question", "audience", "freshness") if not meta.get(key)}
            if not node.get("exposed"):
                lacking.add((name, "exposure"))
            if not node.get("unit_tested"):
                lacking.add((name, "unit test"))
    assert lacking == set()


def test_every_mart_has_a_purpose_its_systems_allow(home: Home) -> None:
    manifest = json.loads(home.manifest.read_text(encoding="utf-8"))
    assert misused(manifest) == []
    manifest["nodes"]["model.faellesdata.mart_ydelse_refusion"]["config"]["meta"]["purpose"] = ["personaleadministration"]
    assert [line.split(",")[0] for line in misused(manifest)] == ["mart_ydelse_refusion is for personaleadministration"] * 3


@pytest.mark.parametrize(
    ("system", "purpose", "mart"),
    [("opus_loen", "kapacitetsplanlaegning", "mart_saesonbelastning"), ("novax", "statistik", "mart_barn_forloeb")],
)
def test_holidays_and_health_visits_serve_a_mart_only_as_long_as_their_owners_say_so(
    home: Home, system: str, purpose: str, mart: str
) -> None:
    manifest = json.loads(home.manifest.read_text(encoding="utf-8"))
    for node in (*manifest["nodes"].values(), *manifest["sources"].values()):
        meta = node["config"]["meta"]
        if meta.get("system") == system:
            meta["purpose"] = [allowed for allowed in meta["purpose"] if allowed != purpose]
    (line,) = misused(manifest)
    assert line.startswith(f"{mart} is for {purpose}, but {system} may be used for")


def test_published_models_hold_no_persons(models: dict[str, Any]) -> None:
    audiences = {name: node["config"]["meta"].get("audience", []) for name, node in models.items()}
    published = {name: node for name, node in models.items() if "bi_netvaerk" in audiences[name]}
    # A row per person is for a role of that purpose alone, under names that no other purpose has.
    own = {name: node["config"]["meta"]["purpose"] for name, node in models.items() if audiences[name] and name not in published}
    assert own == {
        "mart_borger_ydelsesforloeb": ["ydelsesadministration"],
        "mart_medarbejder_fravaersforloeb": ["personaleadministration"],
    }
    assert len({role for name in own for role in audiences[name]}) == len(own)
    assert {"mart_fravaer_vikar", "mart_ydelse_refusion", "mart_systemoverblik", "dim_system", "dim_dato"} <= set(published)
    for name, node in published.items():
        # A load's id counts seconds: from the 26th of January 2027 it reads as a CPR number, and some would be somebody's.
        forbidden = re.compile(
            r"person_id|borger_noegle|medarbejder_noegle|medarbejdernummer|cpr|husnummer_id|adresse$|indlaesning_id|load_id"
        )
        assert [column for column in node["columns"] if forbidden.search(column)] == [], name
        assert node["config"]["meta"]["classification"] <= "P1", name
        assert "no_cpr" in node["tested_by"], name
    for name, node in models.items():
        if node["schema"] == "marts":
            assert node["config"]["meta"]["question"].endswith("?"), name
            freshness = node["config"]["meta"]["freshness"]
            assert 0 < freshness["warn_after_hours"] < freshness["error_after_hours"], name
            if "suppression" in node["config"]["meta"]:
                assert node["config"]["meta"]["suppression"]["threshold"] >= 3, name
                assert "not_recoverable" in node["tested_by"], name
            assert node.get("exposed"), f"{name} is used by nothing that is named"
