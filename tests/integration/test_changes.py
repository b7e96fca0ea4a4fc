"""Nights in which rows come, change, go and come again, a file is corrected, rules are mended and a source gets a column.

What the builds leave is what a full one makes, row for row.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from manifest_support import lend_manifest

import orchestration.dbt
import orchestration.plan
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.platform import build_platform
from ingestion.register import read_register
from ingestion.register.generate import generate
from ingestion.register.model import Column
from ingestion.vault import build_vault
from orchestration.dbt import DbtOutcome, build, prepare_manifest

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "cpr_sf6002.personer": ["cpr"],
    "cpr_sf6002.adresser": ["cpr", "tilflytningsdato"],
    "cpr_sf6002.tidligere_cpr": ["cpr", "tidligere_cpr"],
    "ydelsesrefusion.beregninger": ["cpr_nummer", "ydelse", "ydelsesuge"],
    "nexus.borgere": ["id"],
    "nexus.besoeg": ["id"],
    "kmd_elev.fravaer": ["fravaer_id"],
    "opus_oekonomi.posteringer": ["gjahr", "belnr", "buzei"],
}
CLOCK = {"mart_systemoverblik", "mart_datakvalitet_score"}
"""What they say of age depends on the second in which they are made."""


def cpr(person: int) -> str:
    return f"{1 + person % 28:02}{1 + person % 12:02}{50 + person % 40:02}{1000 + person:04}"


def row(table: str, number: int, chance: random.Random) -> dict[str, str | None]:
    """A row that now and then has a value that cannot be read, or a CPR number without its zero."""
    person = cpr(number % 40)
    written = person.lstrip("0") if chance.random() < 0.3 else person
    amount = chance.choice(["1.234,50", "17,00-", "ulæselig", "0,05", "3.000,00"])
    day = f"202{chance.randint(4, 6)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    compact = day.replace("-", "")
    rows: dict[str, dict[str, str | None]] = {
        "personer": {"cpr": cpr(number), "status": chance.choice(["01", "80", "90"]), "koen": "K", "foed_dt": "1950-01-01"},
        "adresser": {
            "cpr": person, "kommunekode": "0306", "vejkode": chance.choice(["0021", "0045"]), "tilflytningsdato": compact,
        },
        "tidligere_cpr": {"cpr": cpr(2 * number), "tidligere_cpr": cpr(2 * number + 1), "skiftedato": "20250101"},
        "beregninger": {
            "cpr_nummer": written, "ydelse": "Sygedagpenge", "ydelsesuge": f"2026W{1 + number % 20:02}", "beloeb": amount,
            "refusionsprocent": "80,00", "refusionsbeloeb": "1,00", "medfinansiering": "1,00", "finansieringskommune": "306",
            "beregningsdato": "31-01-2026",
        },
        "borgere": {"id": str(number), "cpr": written},
        "besoeg": {
            "id": str(number), "patient_id": str(number % 15), "date": day, "planned_minutes": "30", "status": "gennemført",
            "delivered_minutes": chance.choice(["30", "25", "tredive", None]), "changed_at": f"{day}T10:00:00Z",
        },
        "fravaer": {
            "fravaer_id": str(number), "cpr_nr": written, "institutionsnr": "392127", "dato": day, "art": chance.choice("SLX"),
        },
        "posteringer": {
            "gjahr": day[:4], "belnr": str(number), "buzei": "1", "monat": day[5:7], "budat": day, "artskonto": "52000100",
            "dranst": "1", "beloeb": amount,
        },
    }  # fmt: skip
    return rows[table]


MENDED = ("kmd_elev.fravaer", "opus_oekonomi.posteringer")
"""Tables that nothing comes to in the night in which the rules are mended by which they are read."""
TO_BE_MENDED = (
    "select distinct system_id || '.' || table_name from quality.quarantine"
    " where column_name in ('beloeb', 'art') or system_id = 'fbs'"
)
LOANS = ["1;Bog;3;", "2;Film;ni;", "3;Bog;2;", "4;Bog"]
CORRECTED = ["1;Bog;5;;dansk", "2;Film;9;;", "4;Bog;1;;tysk"]


class Municipality:
    """Raw files as loads leave them, builds of them, and a copy of the project, in which rules can be mended."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.register = root, Home(root / "home"), read_register()
        self.chance, self.night = random.Random(20261124), 0
        made = shutil.ignore_patterns("target", "logs", "dbt_packages")
        for name in ("dbt_project", "seeds"):
            shutil.copytree(ROOT / name, root / name, ignore=made)
        (root / "fbs").mkdir()
        build_platform(self.register, self.home)

    def land_loans(self, loans: Sequence[str], branch: str, more: str = "") -> None:
        """Let the library's files come: new ones, or others in the place of what came. `more` is a heading at the end."""
        headings = f"Periode;Filialnr;Lånernummer;Materialetype;Udlån;Fornyelser{more}"
        lines = [f"01-01-2026;7;{line}" for line in loans]
        files = {
            "filialer.csv": ["Filialnr;Filial;Enhed", f"7;{branch};"],
            "udlaan_2026-01.csv": ["Udlånsstatistik", "Udtrukket", headings, *lines, f"I alt {len(loans)} linjer"],
        }
        for name, lines in files.items():
            (self.root / "fbs" / name).write_text("\n".join([*lines, ""]), encoding="latin-1")
        loaded = land_system(self.register.systems["fbs"], self.home)
        assert loaded.failed == [], loaded

    def mend(self) -> None:
        """Let an amount that nobody could read be nothing, a kind of absence be another, and loans have a language."""
        rules = self.root / "dbt_project" / "macros" / "sql" / "conversions.sql"
        sql, first = rules.read_text(encoding="utf-8"), "case\n    -- Nearly all: nothing to take away first."
        assert sql.count(first) == 1
        read_as_nothing = first.replace("case", "case when {{ clean(column) }} = 'ulæselig' then 0")
        rules.write_text(sql.replace(first, read_as_nothing), encoding="utf-8")
        with (self.root / "seeds" / "vaerdirettelser.csv").open("a", encoding="utf-8") as look_up:
            look_up.write("kmd_elev,fravaer,art,X,L,Skolerne,2026-11-26,Den gamle kode\n")
        library = self.register.systems["fbs"]
        loans = library.tables["udlaan"]
        language = Column(type="text", label="Sprog", description="Materialets sprog")
        loans = loans.model_copy(update={"columns": {**loans.columns, "Sprog": language}})
        library = library.model_copy(update={"tables": {**library.tables, "udlaan": loans}})
        self.register = self.register.model_copy(update={"systems": {**self.register.systems, "fbs": library}})
        generate(self.register, self.root)

    def load(self, *, come: range, change: int, go: int, without: Sequence[str] = ()) -> None:
        """Let one night's rows in: new ones, as many changed (some under a key that is written otherwise), as many gone."""
        self.night += 1
        for table in KEYS:
            if table in without:
                continue
            system_id, name = table.split(".")
            with duckdb.connect(str(self.home.raw_file(system_id))) as raw:
                known = [number for (number,) in raw.execute(f"select distinct _source_row from raw.{name}").fetchall()]
                changed = self.chance.sample(known, min(change, len(known)))
                gone = self.chance.sample(known, min(go, len(known)))
                numbers = [*come, *changed]
                if name == "tidligere_cpr":
                    # Who was another yesterday: rows that have not changed are somebody else's now.
                    numbers, gone = [self.night], []
                raw.execute(f"delete from raw.{name} where list_contains(?, _source_row)", [[*gone, *changed]])
                for number in numbers:
                    values = row(name, number, self.chance)
                    raw.execute(
                        f"insert into raw.{name} (_dlt_load_id, _source_ref, _source_row, {', '.join(values)})"
                        f" values ({', '.join('?' * (len(values) + 3))})",
                        [self.load_id, "kilden", number, *values.values()],
                    )
                raw.execute(
                    "insert into raw.load_log (system_id, table_name, load_id, status, started_at, changed_rows)"
                    " values (?, ?, ?, 'loaded', now()::timestamp, ?)",
                    [system_id, name, self.load_id, len(numbers) + len(gone)],
                )

    @property
    def load_id(self) -> str:
        return f"{1_764_000_000 + self.night}.5"

    def build(self, *names: str, full: bool = False, tests: bool = True) -> DbtOutcome:
        prepare_manifest(self.register, self.home)
        build_vault(self.register, self.home)
        build_platform(self.register, self.home)
        outcome = DbtOutcome()
        with pytest.MonkeyPatch.context() as patch:
            if not tests:
                make = orchestration.dbt._Build.make
                patch.setattr(
                    orchestration.dbt._Build,
                    "make",
                    lambda run, does, steps: make(run, does, steps) if does[0] == "build" else (),
                )
            for _ in build(self.register, self.home, names, outcome, full=full):
                pass
        assert outcome.failed_models == {}
        return outcome


@pytest.fixture(scope="module")
def municipality(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Municipality]:
    made = Municipality(tmp_path_factory.mktemp("nights"))
    lend_manifest(made.register, made.home, shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FBS_FOLDER", str(made.root / "fbs"))
        for name, value in (
            ("ROOT", made.root),
            ("PROJECT", made.root / "dbt_project"),
            ("INPUTS", (made.root / "dbt_project", made.root / "seeds")),
        ):
            patch.setattr(orchestration.dbt, name, value)
        yield made


def differences(one: Path, other: Path) -> dict[str, tuple[int, int]]:
    """Return by table how many rows only the one has, and only the other."""
    found = {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only); attach '{other}' as other (read_only)")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'other' and schema_name <> 'main'"
        ).fetchall()
        assert len(tables) > 80
        for schema, table in tables:
            name = f'{schema}."{table}"'
            counts = [
                connection.execute(f"select count(*) from (from {a}.{name} except all from {b}.{name})").fetchall()[0][0]
                for a, b in (("one", "other"), ("other", "one"))
            ]
            if any(counts) and table not in CLOCK:
                found[table] = (counts[0], counts[1])
    return found


def ask(warehouse: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


# Three builds of the whole project.
@pytest.mark.timeout(900)
def test_nights_of_changes_leave_what_a_full_build_makes(municipality: Municipality, tmp_path: Path) -> None:
    staged = {f"stg_{table.replace('.', '__')}" for table in KEYS}
    municipality.load(come=range(60), change=0, go=0)
    municipality.land_loans(LOANS, "Filial 7")
    municipality.build(tests=False)
    faulty = {*MENDED, "fbs.udlaan", "ydelsesrefusion.beregninger"}
    assert {table for (table,) in ask(municipality.home.warehouse, TO_BE_MENDED)} == faulty
    for night in range(3):
        # In the second night nobody becomes another person.
        come, without = range(100 + 10 * night, 106 + 10 * night), ((), ("cpr_sf6002.tidligere_cpr",), MENDED)[night]
        municipality.load(come=come, change=8, go=6, without=without)
        if night == 2:
            municipality.mend()
            municipality.land_loans(CORRECTED, "Nykøbing", more=";Sprog")
        # Two nights of which only staging is made, as from the UI; the third finds what rests on it in want.
        outcome = municipality.build(*(sorted(staged) if night < 2 else ()))
        assert staged <= {step.name for step in outcome.planned}
        mended = {step.name for step in outcome.planned if step.mend}
        assert mended == staged if night == 1 else "stg_nexus__besoeg" in mended, "the others are made whole"
        assert ("stg_ydelsesrefusion__beregninger" in mended) == (night == 1), "its persons are others now"
    assert "stg_frontdesk__koeer" in {name.split(".")[-1] for name in outcome.unchanged}
    reasons = {step.name: step.reason for step in outcome.planned}
    assert [reasons[f"stg_{table.replace('.', '__')}"] for table in (*MENDED, "fbs.udlaan")] == ["changed"] * 3
    assert reasons["stg_fbs__filialer"] == "news"
    nightly = tmp_path / "nightly.duckdb"
    shutil.copyfile(municipality.home.warehouse, nightly)
    # For its tables alone, like the first: the tests of all that was made have run in the third night.
    municipality.build(full=True, tests=False)
    assert differences(nightly, municipality.home.warehouse) == {}
    assert ask(nightly, "select filial from staging.stg_fbs__filialer") == [("Nykøbing",)]
    loans = ask(nightly, "select laanernummer, materialetype, udlaan, sprog from staging.stg_fbs__udlaan order by all")
    assert loans == [("1", "Bog", 5, "dansk"), ("2", "Film", 9, None), ("4", "Bog", 1, "tysk")]
    assert ask(nightly, "select count(*) > 0 from staging.stg_opus_oekonomi__posteringer where beloeb = 0") == [(True,)]
    assert set(ask(nightly, TO_BE_MENDED)) == set()
    assert ask(nightly, "select distinct reason from quality.quarantine where table_name = 'besoeg'") == [
        ("kan ikke konverteres",)
    ]
    assert ask(nightly, "select count(*) > 50 from staging.stg_nexus__besoeg") == [(True,)]


HISTORY = (
    "stg_opus_oekonomi__omkostningssteder",
    "stg_opus_oekonomi__posteringer",
    "int_postering__konteret",
    "dim_omkostningssted_historik",
    "fct_postering",
)
CENTRES = ["kostl", "ktext", "datab", "datbi"]
POSTINGS = ["gjahr", "belnr", "buzei", "monat", "budat", "artskonto", "omkostningssted", "dranst", "beloeb"]


def arrive(town: Municipality, table: str, columns: list[str], rows: list[tuple[str, ...]], instead_of: str) -> None:
    """Let rows of Opus come in instead of those that `instead_of` (SQL) holds for."""
    with duckdb.connect(str(town.home.raw_file("opus_oekonomi"))) as raw:
        raw.execute(f"delete from raw.{table} where {instead_of}")
        for place, values in enumerate(rows):
            raw.execute(
                f"insert into raw.{table} (_dlt_load_id, _source_ref, _source_row, {', '.join(columns)})"
                f" values ({', '.join('?' * (len(columns) + 3))})",
                [town.load_id, "kilden", 10_000 + place, *values],
            )
        raw.execute(
            "insert into raw.load_log (system_id, table_name, load_id, status, started_at, changed_rows)"
            " values ('opus_oekonomi', ?, ?, 'loaded', now()::timestamp, ?)",
            [table, town.load_id, len(rows)],
        )


def centre_versions(town: Municipality) -> dict[str, str]:
    """Return the first day of the cost centre's version that each of the posted documents meets."""
    with duckdb.connect(str(town.home.warehouse), read_only=True) as connection:
        found = connection.execute(
            "select bilagsnummer, version.gyldig_fra::varchar from conformed.fct_postering"
            " inner join conformed.dim_omkostningssted_historik as version using (omkostningssted_noegle)"
            " where bilagsnummer in ('rettidig', 'sen')"
        ).fetchall()
    assert len(found) == len(dict(found)), "a posting met two versions"
    return dict(found)


@pytest.mark.timeout(900)
def test_what_comes_late_or_is_corrected_meets_the_version_that_held(municipality: Municipality) -> None:
    if not municipality.home.warehouse.exists():
        municipality.build()
    posting = ("2026", "rettidig", "1", "2", "2026-02-15", "11000100", "0000000042", "1", "10.00")
    late = ("2025", "sen", "1", "6", "2025-06-15", "11000100", "42", "1", "20.00")
    first, second = ("0000000042", "Indkøb", "2007-01-01", "9999-12-31"), ("0000000042", "Udbud", "2026-01-01", "9999-12-31")
    whole = "kostl = '0000000042'"
    municipality.night += 1
    arrive(municipality, "omkostningssteder", CENTRES, [first], whole)
    arrive(municipality, "posteringer", POSTINGS, [posting], "belnr = 'rettidig'")
    municipality.build(*HISTORY)
    assert centre_versions(municipality) == {"rettidig": "2007-01-01"}
    # In November somebody writes down that the cost centre changed at New Year; a posting of last summer comes the same night.
    municipality.night += 1
    arrive(municipality, "omkostningssteder", CENTRES, [first, second], whole)
    arrive(municipality, "posteringer", POSTINGS, [late], "belnr = 'sen'")
    municipality.build(*HISTORY)
    assert centre_versions(municipality) == {"rettidig": "2026-01-01", "sen": "2007-01-01"}
    # It was the first of March after all: the posting of February is taken back.
    municipality.night += 1
    arrive(municipality, "omkostningssteder", CENTRES, [first, (*second[:2], "2026-03-01", second[3])], whole)
    municipality.build(*HISTORY)
    assert centre_versions(municipality) == {"rettidig": "2007-01-01", "sen": "2007-01-01"}


@pytest.mark.timeout(900)
def test_a_known_cpr_number_in_new_rows_is_found_that_night(municipality: Municipality) -> None:
    """Nobody is new in the vault, and no model was changed: the look at every model comes for the rows alone."""
    known = cpr(3)
    if not municipality.home.warehouse.exists():
        municipality.load(come=range(3, 4), change=0, go=0)
    assert not [name for name in municipality.build().failed_tests if "in_no_model" in name]
    municipality.night += 1
    posting = ("2026", "med-cpr", "1", "2", "2026-02-15", "11000100", known, "1", "10.00")
    arrive(municipality, "posteringer", POSTINGS, [posting], "belnr = 'med-cpr'")
    assert [name for name in municipality.build("stg_opus_oekonomi__posteringer").failed_tests if "in_no_model" in name]
    municipality.night += 1
    stranger = cpr(4711)
    arrive(municipality, "posteringer", POSTINGS, [(*posting[:6], stranger, *posting[7:])], "belnr = 'med-cpr'")
    assert not [name for name in municipality.build().failed_tests if "in_no_model" in name]
    # It turns out to be somebody's, while the table that holds it has no news.
    municipality.night += 1
    municipality.load(come=range(4711, 4712), change=0, go=0, without=[table for table in KEYS if table != "cpr_sf6002.personer"])
    outcome = municipality.build("stg_cpr_sf6002__personer")
    assert [name for name in outcome.failed_tests if "in_no_model" in name]
    municipality.night += 1
    arrive(municipality, "posteringer", POSTINGS, [(*posting[:6], "42", *posting[7:])], "belnr = 'med-cpr'")
    assert not [name for name in municipality.build().failed_tests if "in_no_model" in name]
    # Nor is it kept where what could be one is written down.
    noted = "select count(*) from (select unnest(digits) as one from main.digits) where one in "
    assert ask(municipality.home.warehouse, f"{noted} ('{known}', '{stranger}')") == [(0,)]


@pytest.mark.timeout(900)
def test_a_new_day_makes_what_asks_for_it_and_nothing_that_reads_the_same_from_it(
    municipality: Municipality, monkeypatch: pytest.MonkeyPatch
) -> None:
    municipality.build()
    read = orchestration.plan.read_facts
    monkeypatch.setattr(orchestration.plan, "read_facts", lambda *given: replace(read(*given), today="tomorrow"))
    made = {step.name: step.reason for step in municipality.build().planned}
    assert {made[name] for name in ("dim_organisation", "dim_institution", "int_distrikt__kapacitet")} == {"new day"}
    assert not [name for name in made if name.startswith("fct_") or name in ("dim_borger", "dim_medarbejder")]
    assert "dim_organisation" not in {step.name for step in municipality.build().planned}
