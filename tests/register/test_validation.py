"""What is wrong in a register file is told all at once, each with file, line and column, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from register_support import library

from ingestion.home import Home
from ingestion.register import RegisterError, read_file, read_leniently, read_register, vocabulary
from ingestion.register.read import _load
from ingestion.register.vocabulary import terms
from orchestration.schedules import refresh_schedules

GOOD = library(
    "bibliotek",
    """\
  udlaan:
    title: Udlån
    description: Et udlån pr. række.
    key: [id]
    write: append
    expected_rows: {min: 0}
    source: {format: csv, glob: "udlaan*.csv"}
    columns:
      id: {type: text, label: Id, description: Udlånets nummer}
      låner: {type: cpr, label: Låner, description: Låneren, pii: P2, key_domain: citizen, name: person_id}
""",
)


def write(folder: Path, text: str, name: str = "bibliotek", department: str = "kultur_fritid_borgerservice") -> Path:
    path = folder / department / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def errors(tmp_path: Path, text: str) -> list[tuple[int, int, str]]:
    _, problems = read_file(write(tmp_path, text))
    return [(problem.line, problem.column, problem.message) for problem in problems]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    system, problems = read_file(write(tmp_path, GOOD))
    assert problems == []
    assert system is not None
    assert system.tables["udlaan"].raw_names() == {"id": "id", "låner": "laaner"}
    assert system.tables["udlaan"].warehouse_names() == {"id": "id", "låner": "person_id"}


def test_what_is_said_for_one_table_may_be_used_in_another_and_changed_there(tmp_path: Path) -> None:
    """YAML's merge key: what stands beside it wins, and is nothing given twice."""
    shared = GOOD.replace("source: {format", "source: &udlaan {format") + (
        "  aeldre:\n" + GOOD[GOOD.index("    title: Udlån") :].replace('format: csv, glob: "udlaan', '<<: *udlaan, glob: "gamle')
    )
    system, problems = read_file(write(tmp_path, shared))
    assert problems == []
    assert system is not None
    assert system.tables["aeldre"].source.model_dump(include={"format", "glob"}) == {"format": "csv", "glob": "gamle*.csv"}


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("vendor: Systematic\n", "vendor: Systematic\nvender: x\n", 7, 1, "unknown key 'vender'"),
        ("vendor: Systematic\n", "", 1, 1, "'vendor' is missing"),
        ("id: {type: text, label", "id: {label", 27, 7, "'type' is missing"),
        ("cadence: daily", "cadence: nightly", 9, 10, "'nightly' is not in vocabulary/cadences.yml. Use one of: hourly"),
        ("protocol: files", "protocol: ftp", 16, 13, "'ftp'"),
        (
            "owner: {team: Biblioteket, email: bibliotek@odsherred.example}",
            "owner: {team: B, email: nobody}",
            7,
            25,
            "'email' is not written right: an address such as",
        ),
        ("key: [id]", "key: [nummer]", 19, 3, "key 'nummer' is not among the columns"),
        ("pii: P2, key_domain: citizen, name", "pii: P1, key_domain: citizen, name", 19, 3, "holds CPR numbers"),
        ("classification: P2", "classification: P1", 28, 7, "'låner' is P2, the system only P1"),
        (
            "id: {type: text, label: Id",
            "id: {type: text, label: Lånerens telefon",
            27,
            7,
            "'telefon' reads as if it told of a person",
        ),
        (
            "      id: {type",
            "      fornavn: {type: text, label: Kaldes, description: Hvad}\n      id: {type",
            27,
            7,
            "Add `pii: P1` (or higher), or `pii: P0`",
        ),
        ("id: {type: text, label", "id: {type: text, path: nr, label", 19, 3, "`path` is for JSON and XML. Call the column as"),
        ("write: append", "write: upsert", 23, 12, "'replace', 'merge' or 'append'"),
        ("period: P1Y", "period: 1 år", 14, 21, "an ISO 8601 duration such as P5Y"),
        ("id: bibliotek\n", "id: bibliotek\nid: bibliotek\n", 2, 1, "'id' is given twice"),
        ("department: kultur", "department: boern", 4, 13, "boern_fritid_borgerservice"),
        ("id: bibliotek", "id: platform", 1, 5, "reserved"),
        ("    write: append\n", "    write: append\n    period: {}\n", 24, 5, "faellesdata refresh --system <id> --full"),
    ],
)
def test_an_error_says_where_and_what_to_do(tmp_path: Path, old: str, new: str, line: int, column: int, words: str) -> None:
    assert old in GOOD
    found = errors(tmp_path, GOOD.replace(old, new, 1))
    assert any((at, col) == (line, column) and words in message for at, col, message in found), found


def test_a_file_is_read_as_yaml_has_it(tmp_path: Path) -> None:
    text = """
base: &base {a: 1, b: [x, 2.5, true, null, 2026-01-31, "7"], 8: åtte}
own: {<<: *base, a: 2}
same: *base
both: [{<<: [*base, {c: d}]}]
set: !!set {one, two}
"""
    path = tmp_path / "file.yml"
    path.write_text(text, encoding="utf-8")
    assert _load(path)[1] == yaml.safe_load(text)
    path.write_text("a: 1\n? [b]\n: 2\n", encoding="utf-8")
    assert [str(problem) for problem in _load(path)[2]] == [
        f"{path}:2:3: not valid YAML: a list or mapping as a key. Check indentation, colons and quotes here"
    ]


def test_a_literal_secret_is_refused(tmp_path: Path) -> None:
    sftp = GOOD.replace(
        "transport: {type: local, folder: {env: BIBLIOTEK_FOLDER}}",
        "transport: {type: sftp, host: h, username: u, password: hemmelig, host_key: k}",
    )
    found = errors(tmp_path, sftp)
    assert any("'password' must be a reference" in message for *_, message in found)
    assert len(found) == 1
    assert not any("hemmelig" in message for *_, message in found)


def test_names_that_fold_to_one_are_refused_and_both_named(tmp_path: Path) -> None:
    doubled = GOOD + "      Laaner: {type: text, label: L, description: L}\n"
    (found,) = errors(tmp_path, doubled)
    assert "'låner' and 'Laaner' both become 'laaner'" in found[2]


def test_all_errors_of_all_files_come_at_once(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("cadence: daily", "cadence: x").replace("vendor: Systematic\n", ""))
    write(tmp_path, "id: [", name="itu")
    write(tmp_path, GOOD, name="andet")
    with pytest.raises(RegisterError) as caught:
        read_register(tmp_path)
    by_file = [problem.file.name for problem in caught.value.problems]
    assert by_file.count("bibliotek.yml") == 2
    assert by_file.count("itu.yml") == 1
    assert by_file.count("andet.yml") == 1


def test_a_broken_file_does_not_take_the_others_along(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "", name="tom")
    (tmp_path / "kultur_fritid_borgerservice" / "latin.yml").write_bytes("id: bøger\n".encode("cp1252"))
    register, problems = read_leniently(tmp_path)
    assert list(register.systems) == ["bibliotek"]
    assert {problem.file.name for problem in problems} == {"tom.yml", "latin.yml"}


def test_every_system_of_the_register_is_sound() -> None:
    register = read_register()
    found = {system.department for system in register.systems.values()}
    assert found == set(terms("departments")), "eight departments, and what is the nation's"
    assert len(found - {"national"}) == 8


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the controlled lists, read in place of ours."""
    folder = tmp_path / "vocabulary"
    shutil.copytree(vocabulary.FOLDER, folder)
    monkeypatch.setattr(vocabulary, "FOLDER", folder)
    terms.cache_clear()
    yield folder
    terms.cache_clear()


@pytest.mark.parametrize(
    "cron", ["0 25 * * *", "hver nat", "0 3 * *", "0 3 31 4 *", "@daily", "0 3 * * * *"], ids=lambda cron: cron.replace("*", "x")
)
def test_a_wrong_cron_is_one_error_with_its_place_and_costs_its_own_cadence(lists: Path, tmp_path: Path, cron: str) -> None:
    path = lists / "cadences.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("0 3 * * *", cron), encoding="utf-8")
    for name, cadence in (("bibliotek", "daily"), ("andet", "weekly")):
        text = GOOD.replace("id: bibliotek", f"id: {name}").replace("cadence: daily", f"cadence: {cadence}")
        write(tmp_path / "systems", text, name=name)
    register, (problem,) = read_leniently(tmp_path / "systems")
    assert str(problem).startswith(f"{path}:4:32: cadence 'daily' is never run: its `cron` is not one. Write five fields")
    assert list(register.systems) == ["andet", "bibliotek"], "they can be loaded by hand"
    assert [schedule.name for schedule in refresh_schedules(register, Home(tmp_path))] == ["weekly_refresh"]


def test_lists_that_cannot_be_used_are_told_all_at_once(lists: Path, tmp_path: Path) -> None:
    (lists / "departments.yml").write_text("oekonomi: {title: [}\n", encoding="utf-8")
    (lists / "purposes.yml").write_text("a: {title: A}\nb: {pseudonyms: true}\na: {title: B}\n", encoding="utf-8")
    with pytest.raises(RegisterError) as caught:
        read_leniently(tmp_path / "systems")
    assert [(problem.file.stem, problem.line, problem.column) for problem in caught.value.problems] == [
        ("departments", 1, 20),
        ("purposes", 2, 1),
        ("purposes", 3, 1),
    ]
