"""What follows from the register is committed, and neither more nor less stands there than follows."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import duckdb
import jinja2
import pytest
import yaml
from register_support import library

from ingestion.register import Register, read_file, read_register
from ingestion.register.generate import MARK, generate, json_schema

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = library(
    "bibliotek",
    """\
  udlaan:
    title: Udlån
    description: Hvert udlån.
    key: [Løbenr., Låner]
    write: append
    expected_rows: {min: 1, max: 500}
    source: {format: csv, glob: "udlaan*.csv"}
    columns:
      Løbenr.: {type: integer, label: Løbenummer, description: Udlånets nummer, name: udlaan_id}
      Låner: {type: cpr, label: Låner, description: Låneren, pii: P2, key_domain: citizen, name: laaner_person_id}
      Navn: {type: text, label: Navn, description: Lånerens navn, pii: P1, direct_identifier: true}
      Gebyr: {type: decimal_dk, label: Gebyr, description: Gebyr i kroner}
      Art: {type: text, label: Art, description: Materialets art, values: {B: Bog, "L'": Lydbog}}
""",
)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    path = tmp_path / "register" / "kultur_fritid_borgerservice" / "bibliotek.yml"
    path.parent.mkdir(parents=True)
    path.write_text(SYSTEM, encoding="utf-8")
    system, problems = read_file(path)
    assert problems == []
    assert system is not None
    return Register(systems={system.id: system})


def test_committed_files_follow_from_the_register() -> None:
    """Both ways: nothing stale, nothing missing, nothing left of a system that is gone."""
    drift = [str(path.relative_to(ROOT)) for path in generate(read_register(), ROOT, check=True)]
    assert drift == [], "run `faellesdata systems generate` and commit what it writes"


def test_check_writes_nothing(register: Register, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    assert generate(register, root, check=True)
    assert not root.exists()


def test_second_time_changes_nothing(register: Register, tmp_path: Path) -> None:
    assert len(generate(register, tmp_path)) == 8
    assert generate(register, tmp_path) == []


def test_drift_is_seen_and_mended(register: Register, tmp_path: Path) -> None:
    generate(register, tmp_path)
    model = tmp_path / "dbt_project/models/staging/kultur_fritid_borgerservice/bibliotek/stg_bibliotek__udlaan.sql"
    model.write_text(model.read_text(encoding="utf-8") + "-- meddled with\n", encoding="utf-8")
    assert generate(register, tmp_path, check=True) == [model]
    generate(register, tmp_path)
    assert generate(register, tmp_path, check=True) == []


def test_removed_system_takes_its_files_along(register: Register, tmp_path: Path) -> None:
    generate(register, tmp_path)
    staging = tmp_path / "dbt_project/models/staging/kultur_fritid_borgerservice/bibliotek"
    removed = generate(Register(systems={}), tmp_path)
    assert staging / "stg_bibliotek__udlaan.sql" in removed
    assert not staging.exists()
    assert not (tmp_path / "dbt_project/models/quality/qua_bibliotek.sql").exists()


def test_hand_written_file_takes_precedence(register: Register, tmp_path: Path) -> None:
    generate(register, tmp_path)
    model = tmp_path / "dbt_project/models/staging/kultur_fritid_borgerservice/bibliotek/stg_bibliotek__udlaan.sql"
    model.write_text("select 1 as udlaan_id\n", encoding="utf-8")
    assert generate(register, tmp_path) == []
    generate(Register(systems={}), tmp_path)
    assert model.read_text(encoding="utf-8") == "select 1 as udlaan_id\n"


def test_names_stay_in_the_raw_zone(register: Register, tmp_path: Path) -> None:
    generate(register, tmp_path)
    folder = tmp_path / "dbt_project/models/staging/kultur_fritid_borgerservice/bibliotek"
    model = (folder / "stg_bibliotek__udlaan.sql").read_text(encoding="utf-8")
    assert "navn" not in model
    assert "person_of_laaner.person_id as laaner_person_id" in model
    documented = yaml.safe_load((folder / "_bibliotek__models.yml").read_text(encoding="utf-8"))["models"][0]
    assert [column["name"] for column in documented["columns"]][:4] == ["udlaan_id", "laaner_person_id", "gebyr", "art"]
    assert documented["config"]["group"] == "kultur_fritid_borgerservice"


def test_a_mended_value_stands_in_the_code_of_its_column_alone(register: Register, tmp_path: Path) -> None:
    """Reviewed with the look-up it comes from; tables without one are as they were."""
    generate(register, tmp_path)
    models = tmp_path / "dbt_project/models"
    staging = models / "staging/kultur_fritid_borgerservice/bibliotek/stg_bibliotek__udlaan.sql"
    files = [models / "quality/qua_bibliotek.sql", staging]
    before = [path.read_text(encoding="utf-8").splitlines() for path in files]
    seeds = tmp_path / "seeds"
    shutil.copytree(ROOT / "seeds", seeds)
    with (seeds / "vaerdirettelser.csv").open("a", encoding="utf-8") as look_up:
        look_up.write("bibliotek,udlaan,Art,Lydb.,L',Biblioteket,2026-11-26,Den gamle betegnelse\n")
    assert generate(register, tmp_path) == files
    (in_quarantine,), (in_staging,) = (
        set(path.read_text(encoding="utf-8").splitlines()) - set(lines) for path, lines in zip(files, before, strict=True)
    )
    assert in_staging == r"""        {{ accepted(mended('source."art"', {'Lydb.': 'L\''}), 'text', ['B', 'L\'']) }} as art,"""
    assert in_quarantine.endswith(r"""'values': ['B', 'L\''], 'mended': {'Lydb.': 'L\''}},""")


def test_what_a_source_writes_where_it_tells_nothing_is_no_fault(register: Register, tmp_path: Path) -> None:
    """In staging it is empty, and the quarantine does not know it; a row of the look-up says otherwise of a value."""
    system = register.systems["bibliotek"]
    table = system.tables["udlaan"]
    fee = table.columns["Gebyr"].model_copy(update={"blank": ["*", ".."]})
    table = table.model_copy(update={"columns": {**table.columns, "Gebyr": fee}})
    seeds = tmp_path / "seeds"
    shutil.copytree(ROOT / "seeds", seeds)
    with (seeds / "vaerdirettelser.csv").open("a", encoding="utf-8") as look_up:
        look_up.write("bibliotek,udlaan,Gebyr,..,0,Biblioteket,2026-11-26,Intet gebyr\n")
    generate(Register(systems={"bibliotek": system.model_copy(update={"tables": {"udlaan": table}})}), tmp_path)
    models = tmp_path / "dbt_project/models"
    staging = (models / "staging/kultur_fritid_borgerservice/bibliotek/stg_bibliotek__udlaan.sql").read_text(encoding="utf-8")
    assert """to_decimal_dk(mended('source."gebyr"', {'*': '', '..': '0'})) }} as gebyr""" in staging
    assert "'mended': {'*': '', '..': '0'}}" in (models / "quality/qua_bibliotek.sql").read_text(encoding="utf-8")


def test_key_that_names_a_person_goes_no_further(register: Register, tmp_path: Path) -> None:
    """It still tells rows apart, in the query alone; the quarantine shows its shape."""
    system = register.systems["bibliotek"]
    table = system.tables["udlaan"].model_copy(update={"key": ["Navn"]})
    generate(Register(systems={"bibliotek": system.model_copy(update={"tables": {"udlaan": table}})}), tmp_path)
    models = tmp_path / "dbt_project/models"
    model = (models / "staging/kultur_fritid_borgerservice/bibliotek/stg_bibliotek__udlaan.sql").read_text(encoding="utf-8")
    assert "as _hidden_navn" in model
    assert "partition by _hidden_navn" in model
    assert "navn" not in model.partition("\nselect\n")[2].partition("\nfrom")[0]
    quarantine = (models / "quality/qua_bibliotek.sql").read_text(encoding="utf-8")
    assert "{'raw': 'navn', 'type': 'text', 'required': True, 'masked': True}" in quarantine


def test_a_line_that_may_hold_a_name_is_shown_by_its_shape(tmp_path: Path) -> None:
    """Though its system be of no confidential class: names stay in the raw zone."""
    generate(Register(systems={}), tmp_path)
    folder = ROOT / "dbt_project/macros/sql"
    macros = "".join((folder / name).read_text(encoding="utf-8") for name in ("conversions.sql", "digits.sql"))
    model = (tmp_path / "dbt_project/models/quality/quarantine.sql").read_text(encoding="utf-8")
    sql = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(macros + model).render(source=lambda _, name: name)
    with duckdb.connect() as connection:
        connection.execute(
            "create table systems as select 'byg' as system_id, 'P1' as classification;"
            "create table system_columns as from (values ('byg', 'sager', 'x', true, false), ('byg', 'noter', 'x', false, true),"
            " ('byg', 'koder', 'x', false, false)) as t (system_id, table_name, raw_name, direct_identifier, free_text);"
            "create table rejects as select 'byg' as system_id, unnest(['sager', 'noter', 'koder']) as table_name,"
            " null as column_name, 'Åse 7 010190-1234' as raw_text,"
            " null as reason, null as load_id, null as source_ref, null as source_row"
        )
        shown = dict(connection.execute(f"select table_name, raw_value from ({sql})").fetchall())
    assert shown == {"sager": "aaa 9 999999-9999", "noter": "aaa 9 999999-9999", "koder": "Åse 7 ######-####"}


def test_schema_for_editors_knows_the_vocabulary() -> None:
    schema = json.loads(json_schema())
    assert "oekonomi_indkoeb" in json.dumps(schema["$defs"]["SqlSystem"]["properties"]["department"])
    assert schema["$defs"]["Column"]["additionalProperties"] is False


def test_two_hundred_systems_take_seconds(register: Register, tmp_path: Path) -> None:
    """Measured 2026-11-23 on two busy cores: 2.7 s for 200 systems of five tables. The bound leaves room for a slow machine."""
    system = register.systems["bibliotek"]
    tables = {f"udlaan_{number}": system.tables["udlaan"] for number in range(5)}
    ids = [f"system_{number:03}" for number in range(200)]
    many = Register(systems={id_: system.model_copy(update={"id": id_, "tables": tables}) for id_ in ids})
    began = time.perf_counter()
    written = generate(many, tmp_path)
    seconds = time.perf_counter() - began
    assert len(written) == 200 * (5 + 3) + 4
    assert all(MARK in path.read_text(encoding="utf-8") for path in written[:50] if path.suffix == ".sql")
    shutil.rmtree(tmp_path / "dbt_project")
    assert seconds < 15
