"""Quarantine with replay: what a mended look-up or a mended rule makes readable is in the warehouse after the next build.

Real register, generator, macros and dbt, with one small system and nothing of the other folders.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from register_support import library

import orchestration.dbt
from ingestion.home import Home
from ingestion.platform import build_platform
from ingestion.register import read_register
from ingestion.register.generate import generate
from ingestion.vault import build_vault
from orchestration.dbt import DbtOutcome, build

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = library(
    "bibliotek",
    """\
  udlaan:
    title: Udlån
    description: Hvert udlån.
    key: [Nr]
    write: append
    expected_rows: {min: 1, max: 500}
    source: {format: csv, glob: "udlaan*.csv"}
    columns:
      Nr: {type: integer, label: Nummer, description: Udlånets nummer}
      Gebyr: {type: decimal_dk, label: Gebyr, description: Gebyr i kroner}
      Art: {type: text, label: Art, description: Materialets art, values: {B: Bog, "L'": Lydbog}, required: true}
""",
)
ROWS = [("1", "1,50", "B"), ("2", "2.75", "B"), ("3", "ingen", "B"), ("4", "4,00", "Lydb."), ("5", "fem", "DVD")]
HEADER = "system_id,tabel,kolonne,vaerdi,rettet_vaerdi,forfatter,dato,begrundelse\n"


class Library:
    """The project with one system, and builds of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, Home(root / "home")
        register = root / "systems" / "kultur_fritid_borgerservice" / "bibliotek.yml"
        register.parent.mkdir(parents=True)
        register.write_text(SYSTEM, encoding="utf-8")
        self.register = read_register(root / "systems")
        self.project = root / "dbt_project"
        shutil.copytree(ROOT / "dbt_project" / "macros", self.project / "macros")
        shutil.copytree(ROOT / "dbt_project" / "models" / "sources", self.project / "models" / "sources")
        shutil.copyfile(ROOT / "dbt_project" / "dbt_project.yml", self.project / "dbt_project.yml")
        (root / "seeds").mkdir()
        shutil.copyfile(ROOT / "seeds" / "_seeds.yml", root / "seeds" / "_seeds.yml")
        for seed in (ROOT / "seeds").glob("*.csv"):
            shutil.copyfile(seed, root / "seeds" / seed.name)
        self.look_up = root / "seeds" / "vaerdirettelser.csv"
        build_platform(self.register, self.home)
        with duckdb.connect(str(self.home.raw_file("bibliotek"))) as raw:
            raw.executemany(
                "insert into raw.udlaan (_dlt_load_id, _source_ref, _source_row, nr, gebyr, art)"
                " values ('1', 'u.csv', ?, ?, ?, ?)",
                [[line, *row] for line, row in enumerate(ROWS, start=2)],
            )
        build_platform(self.register, self.home)
        build_vault(self.register, self.home)

    def build(self) -> dict[str, str]:
        """Build what has news; return which models that was, and why."""
        generate(self.register, self.root)
        outcome = DbtOutcome()
        list(build(self.register, self.home, [], outcome))
        assert (outcome.failed_models, outcome.failed_tests) == ({}, {})
        return {step.name: step.reason for step in outcome.planned if step.unique_id.startswith("model.")}

    def rows(self) -> list[tuple[int, float | None, str]]:
        return self._ask("select nr, gebyr::double, art from staging.stg_bibliotek__udlaan order by nr")

    def quarantined(self) -> list[tuple[int, str, str]]:
        return self._ask("select source_row - 1, column_name, raw_value from quality.quarantine order by all")

    def _ask(self, sql: str) -> list[tuple[int, float | None, str]]:
        with duckdb.connect(str(self.home.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def bibliotek(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library(tmp_path)
    monkeypatch.setattr(orchestration.dbt, "PROJECT", made.project)
    monkeypatch.setattr(orchestration.dbt, "ROOT", tmp_path)
    monkeypatch.setattr(orchestration.dbt, "INPUTS", (made.project, tmp_path / "seeds"))
    return made


def test_a_mended_look_up_and_a_mended_rule_replay(bibliotek: Library) -> None:
    bibliotek.build()
    assert bibliotek.rows() == [(1, 1.5, "B"), (2, None, "B"), (3, None, "B")]
    all_of_it = [
        (2, "gebyr", "2.75"), (3, "gebyr", "ingen"), (4, "art", "Lydb."), (5, "art", "DVD"), (5, "gebyr", "fem"),
    ]  # fmt: skip
    assert bibliotek.quarantined() == all_of_it
    assert bibliotek.build() == {}, "nothing is new"

    # A value that is read as another, and one that means nothing; the source is not read again.
    bibliotek.look_up.write_text(
        HEADER
        + "bibliotek,udlaan,Art,Lydb.,L',Biblioteket,2026-11-26,Den gamle betegnelse\n"
        + "bibliotek,udlaan,Gebyr,ingen,,Biblioteket,2026-11-26,Skrives hvor der intet gebyr er\n",
        encoding="utf-8",
    )
    assert set(bibliotek.build()) == {"stg_bibliotek__udlaan", "qua_bibliotek", "quarantine"}
    assert bibliotek.rows() == [(1, 1.5, "B"), (2, None, "B"), (3, None, "B"), (4, 4.0, "L'")]
    assert bibliotek.quarantined() == [(2, "gebyr", "2.75"), (5, "art", "DVD"), (5, "gebyr", "fem")]

    # A rule that takes what it refused.
    rules = bibliotek.project / "macros" / "sql" / "conversions.sql"
    sql = rules.read_text(encoding="utf-8")
    strict, commas = r"(\\.\\d{3})+|\\d*)(,\\d+)?", "replace(replace(VALUE, '.', ''), ',', '.')"
    assert (sql.count(strict), sql.count(commas)) == (1, 1)
    mended = sql.replace(strict, strict.replace("(,", "([.,]")).replace(commas, "replace(VALUE, ',', '.')")
    rules.write_text(mended, encoding="utf-8")
    assert set(bibliotek.build()) >= {"stg_bibliotek__udlaan", "qua_bibliotek", "quarantine"}
    assert bibliotek.rows()[1] == (2, 2.75, "B")
    assert bibliotek.quarantined() == [(5, "art", "DVD"), (5, "gebyr", "fem")]
