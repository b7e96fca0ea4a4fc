"""Each generic test of dbt_project/macros/tests passes on sound data and fails on data that are not, in DuckDB."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import pytest
import yaml

GENERIC = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "tests" / "generic.sql"
DIGITS = GENERIC.parents[1] / "sql" / "digits.sql"
TESTS = re.findall(r"{% test (\w+)\(", GENERIC.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Case:
    """Rows of the tested table `t` that are sound and some that are not, and the tables it is held against."""

    test: str
    arguments: dict[str, Any]
    columns: str
    sound: str
    unsound: str
    beside: tuple[str, ...] = field(default=())


KEYS = ("create table person_keys as select unnest(['0101851234', '1001851234']) as cpr",)
VERSIONS = "member varchar, gyldig_fra date, gyldig_til date"
FIRST = "('a', date '2026-01-01', date '2026-01-31')"
CASES = [
    Case("unique_key", {"columns": ["a", "b"]}, "a integer, b integer", "(1, 1), (1, 2)", "(1, 1), (1, 1)"),
    Case("unique_key", {"columns": ["a", "b"]}, "a integer, b integer", "(1, 1)", "(1, null)"),
    Case("not_null_share", {"column_name": "a", "at_least": 0.5}, "a integer", "(1), (null)", "(1), (null), (null)"),
    Case("accepted_codes", {"column_name": "a", "labels": {"S": "Sygdom"}}, "a varchar", "('S'), (null)", "('S'), ('X')"),
    Case(
        "members", {"keys": {"a": "dim.nr"}}, "a varchar", "('1'), ('-1')", "('1'), (null)",
        ("create table dim as from (values ('1'), ('-1')) as rows(nr)",),
    ),
    Case(
        "members", {"keys": {"a": "dim.nr"}}, "a varchar", "('1')", "('2')",
        ("create table dim as from (values ('1'), ('-1')) as rows(nr)",),
    ),
    Case("unknown_share", {"column_name": "a", "at_most": 0.5}, "a varchar", "('1'), ('-1')", "('1'), ('-1'), ('-1')"),
    Case(
        "intervals_apart", {"member": "member"}, VERSIONS, f"{FIRST}, ('a', date '2026-02-01', date '9999-12-31')",
        f"{FIRST}, ('a', date '2026-01-31', date '9999-12-31')",
    ),
    Case("intervals_apart", {"member": "member"}, VERSIONS, FIRST, "('a', date '2026-01-02', date '2026-01-01')"),
    Case(
        "intervals_meet", {"member": "member"}, VERSIONS,
        f"{FIRST}, ('a', date '2026-02-01', date '9999-12-31'), ('b', date '2026-03-01', date '9999-12-31')",
        f"{FIRST}, ('a', date '2026-02-02', date '9999-12-31')",
    ),
    Case(
        "totals_agree", {"totals": {"timer": "stg.timer"}}, "timer integer", "(1), (2)", "(1), (2), (2)",
        ("create table stg as from (values (1), (2)) as rows(timer)",),
    ),
    Case(
        "rows_reconcile", {"system": "s", "tables": ["ting"]},
        "table_name varchar, row_dropped boolean, load_id varchar, source_ref varchar, source_row integer",
        "('ting', true, '1', 'fil', 3), ('ting', true, '1', 'fil', 3), ('ting', false, '1', 'fil', 1)",
        "('ting', false, '1', 'fil', 3)",
        ("create table ting as from range(3)", "create table stg_s__ting as from range(2)"),
    ),
    Case(
        "rows_in_range", {"system": "s", "tables": {"ting": {"min": 2, "max": 3}}}, "a integer", "(1), (2)", "(1)",
        ("create view stg_s__ting as from t",),
    ),
    Case(
        "rows_in_range", {"system": "s", "tables": {"ting": {"min": 2, "max": 3}}}, "a integer", "(1), (2), (3)",
        "(1), (2), (3), (4)", ("create view stg_s__ting as from t",),
    ),
    Case("no_cpr", {}, "a varchar, b varchar", "('20260124', null)", "('x', 'ring 010185-1234')"),
    Case(
        "no_cpr", {}, "a varchar", "('6aca97005c68f1206823815f66102863'), ('kitos:ab010190-1234-45c0-a382-1107162054fc')",
        "('010190-1234 6aca97005c68f1206823815f66102863')",
    ),
    Case("no_cpr", {}, "a varchar", "('410185-1234'), ('sag 306-2011-853412'), ('101851234')", "('ring 610185-1234')"),
    Case("no_cpr", {"numbers": ["a"]}, "a varchar", "('0101851235')", "('0101851234')", KEYS),
    Case("no_cpr", {"numbers": ["p_nummer"]}, "p_nummer varchar", "('1001851234')", "('0101851234')", KEYS),
    Case("in_no_model", {}, "p_nummer varchar, load_id varchar", "('1001851234', '0101851234.5')", "('0101851234', '1')", KEYS),
    Case("in_no_model", {}, "nummersystem varchar, nummer varchar", "('P', '1001851234')", "('P', '0101851234')", KEYS),
    Case("in_no_model", {}, "a varchar, n bigint", "('0101851235', 1)", "('', 101851234)", KEYS),
    Case("in_no_model", {}, "a varchar[], n bigint", "(['x'], 1)", "(['se 010185-1234'], 1)", KEYS),
    Case("in_no_model", {}, "a integer, n hugeint", "(1, -9223372036854775808)", "(101851234, 1)", KEYS),
    Case("in_no_model", {}, "a decimal(18, 4), n double", "(101851235.0, 1e300)", "(101851234.0, null)", KEYS),
    Case("in_no_model", {}, "a decimal(18, 2), n double", "(101851234.5, 101851234.5)", "(null, 101851234.0)", KEYS),
    Case("in_no_model", {}, "a varchar, b varchar, n bigint", "('010185', '1234', 1018512340)", "('x', 'y', -101851234)", KEYS),
    Case("in_no_model", {}, "a varchar, n bigint", "('50101851234', 50101851234)", "('se 5 0101851234', null)", KEYS),
    Case("in_no_model", {}, "a varchar, n date", "('306-0101-851234 a0101851234b', null)", "('x 01 01 85 – 1234', null)", KEYS),
    Case("in_no_model", {}, "a varchar, n date", "('10101851234@x', null)", "('cpr0101851234@x', null)", KEYS),
    Case("in_no_model", {}, "a varchar, n date", "('x_1010185.1234', null)", "('brev_010185.1234_2.pdf', null)", KEYS),
    Case("in_no_model", {}, "a varchar, n date", "('x_8101851234_x', null)", "('0202904321_0101851234', null)", KEYS),
    Case("in_no_model", {}, "a struct(b varchar), n date", "({'b': ''}, null)", "({'b': '10185-1234'}, null)", KEYS),
    Case(
        "not_recoverable", {"within": ["m"], "total": "celle = 'I alt'", "measures": ["kr"], "counts": ["n"]},
        "m integer, celle varchar, n integer, kr integer", "(1, 'a', null, null), (1, 'b', null, null), (1, 'I alt', 20, 9)",
        "(1, 'a', null, null), (1, 'b', 16, 7), (1, 'I alt', 20, 9)",
    ),
]  # fmt: skip


def offending(case: Case, rows: str, *, noted: bool = False) -> list[tuple[Any, ...]]:
    """Return the rows by which the generic test fails, compiled as dbt would; with what is `noted` when dbt makes a table."""
    with duckdb.connect() as connection:
        connection.execute(f"create table t ({case.columns}); insert into t values {rows}")
        connection.execute("create table main.digits (model_name varchar primary key, digits varchar[] not null)")
        for statement in case.beside:
            connection.execute(statement)
        columns = [
            SimpleNamespace(name=name, dtype=kind) for name, kind, *_ in connection.execute("describe t").fetchall()
        ]  # fmt: skip
        adapter = SimpleNamespace(
            get_columns_in_relation=lambda relation: columns,
            get_relation=lambda *_: Relation(),
        )
        node = SimpleNamespace(
            resource_type="model", name="t", config=SimpleNamespace(materialized="table"), database="", schema="main", alias="t"
        )
        text = GENERIC.read_text(encoding="utf-8")
        text = re.sub(r"{% test (\w+)\(model", r"{% macro \1(model", text).replace("{% endtest %}", "{% endmacro %}")
        text += DIGITS.read_text(encoding="utf-8")
        macros: Any = (
            jinja2.Environment(extensions=["jinja2.ext.do"])
            .from_string(
                text,
                globals={
                    "execute": True, "adapter": adapter, "graph": SimpleNamespace(nodes={"t": node}),
                    "ref": lambda name: name, "source": lambda _, name: name, "config": Config(),
                    "env_var": lambda _, default: default,
                    "run_query": lambda sql: connection.execute(sql).fetchall(),
                },
            )
            .module
        )  # fmt: skip
        if noted:
            connection.execute(macros.note_digits(Relation()))
        # The test of all models is attached to the vault's numbers.
        model = "person_keys" if case.test == "in_no_model" else "t"
        return connection.execute(getattr(macros, case.test)(model, **case.arguments)).fetchall()


class Config:
    """dbt's `config`, which is called in tests and asked in models."""

    def __call__(self, **_: Any) -> str:
        return ""

    def get(self, name: str) -> None:
        return None


class Relation:
    schema, identifier = "main", "t"

    def __str__(self) -> str:
        return "t"


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.test}" for number, case in enumerate(CASES)])
def test_it_passes_what_is_sound_and_fails_on_what_is_not(case: Case) -> None:
    assert offending(case, case.sound) == []
    assert offending(case, case.unsound) != []


@pytest.mark.parametrize("case", [case for case in CASES if case.test == "in_no_model"])
def test_what_was_noted_is_enough_to_find_a_number(case: Case) -> None:
    assert offending(case, case.sound, noted=True) == []
    assert offending(case, case.unsound, noted=True) == offending(case, case.unsound)


def test_every_generic_test_is_shown_to_fail() -> None:
    assert {case.test for case in CASES} == set(TESTS)


def test_sets_of_cells_are_told_apart_by_keys() -> None:
    """Of two centres with one name, as when a new one takes the old one's place, each has its own total."""
    for path in (GENERIC.parents[2] / "models" / "marts").rglob("_marts*.yml"):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            tests: dict[str, dict[str, Any]] = {}
            for test in model["data_tests"]:
                tests |= {name: told.get("arguments", {}) for name, told in test.items()}
            keys = {*model["config"]["meta"]["grain"], *tests.get("members", {}).get("keys", {})}
            assert set(tests.get("not_recoverable", {}).get("within", ())) <= keys, model["name"]
