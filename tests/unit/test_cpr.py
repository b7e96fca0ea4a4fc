"""All that look for CPR numbers, in Python and in SQL, over one table of the ways in which one is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import pytest

from ingestion import cpr

SQL = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "sql"
N = "0101901234"
MASKED = "######-####"

# What is written; what it is in a column of CPR numbers, to the vault and to staging; the numbers that are found in it as text,
# to ask the vault about; those of them that the look at all models overlooks; what is shown of it where nobody asks the vault.
CASES = [
    # plain, with a separator, without the leading zero
    (N, N, N, [N], [], MASKED),
    ("010190-1234", N, N, [N], [], MASKED),
    ("010190 1234", N, N, [N], [], MASKED),
    ("101901234", N, N, [N], [], MASKED),
    ("10190-1234", N, N, [N], [], MASKED),
    ("01.01.90-1234", N, None, [N], [], MASKED),
    ("1/1/90-1234", None, None, [], [], "1/1/90-1234"),
    ("01 01 90 1234", N, N, [N], [], MASKED),
    ("010190 – 1234", N, None, [N], [], MASKED),
    ("010190\u00a01234", N, N, [N], [], MASKED),
    ("010190_1234", N, None, [N], [], MASKED),
    ("010190%2D1234", None, None, [N], [], MASKED),
    ("0101-901234", N, None, [], [], MASKED),
    # a number in a spreadsheet
    ("101901234.0", N, N, [N], [], f"{MASKED}.0"),
    (" 0101901234.0 ", N, N, [N], [], f" {MASKED}.0 "),
    ("010190.0000", "0101900000", None, ["0101900000"], [], MASKED),
    # beside letters
    ("cpr0101901234@x.dk", N, None, [N], [], f"cpr{MASKED}@x.dk"),
    ("skole0101901234.pdf", N, None, [N], [], f"skole{MASKED}.pdf"),
    ("brev_0101901234_2.csv", None, None, [N], [], f"brev_{MASKED}_2.csv"),
    ("afd0101901234", N, None, [N], [N], f"afd{MASKED}"),
    ("blå0101901234å", N, None, [N], [], f"blå{MASKED}å"),
    # two, with a letter, a sign or nothing but what belongs to both between them
    ("0101901234_0202904321", None, None, [N, "0202904321"], [], f"{MASKED}_{MASKED}"),
    ("0101901234x0202904321", None, None, [N, "0202904321"], [], f"{MASKED}x{MASKED}"),
    ("0101901234;0202904321 0303905555", None, None, [N, "0202904321", "0303905555"], [], f"{MASKED};{MASKED} {MASKED}"),
    # in longer runs of digits, and in what is something else
    ("60101901234", None, None, [], [], "60101901234"),
    ("5790000123456", None, None, [], [], "5790000123456"),
    ("2026-11-27 13:22:21.640547", None, None, [], [], "2026-11-27 13:22:21.640547"),
    ("20250230", None, None, [], [], "20250230"),
    ("9.999,99x", None, None, [], [], "9.999,99x"),
    ("sag 306-2011-853412", None, None, [], [], f"sag 306-{MASKED}"),
    ("a0101901234c4d5e6f7a8b9c0d1e2f3a", None, None, [], [], f"a{MASKED}c4d5e6f7a8b9c0d1e2f3a"),
    ("ab010190-1234-45c0-a382-1107162054fc", None, None, [], [], f"ab{MASKED}-45c0-a382-{MASKED}fc"),
    # replacement numbers, dates that are none, no check digit, and what stands for no number
    ("610190-1234", "6101901234", "6101901234", ["6101901234"], [], MASKED),
    ("310290-1234", "3102901234", None, ["3102901234"], [], MASKED),
    ("320190-1234", "3201901234", None, ["3201901234"], [], MASKED),
    ("410190-1234", "4101901234", None, ["4101901234"], [], "410190-1234"),
    ("1900001234", "1900001234", None, ["1900001234"], [], "1900001234"),
    ("000000-0000", None, None, ["0000000000"], [], "000000-0000"),
    ("9999999999", None, None, ["9999999999"], [], "9999999999"),
    ("xxxxxx-xxxx", None, None, [], [], "xxxxxx-xxxx"),
    # other scripts' digits
    ("٠١٠١٩٠١٢٣٤", None, None, [], [], "٠١٠١٩٠١٢٣٤"),
    ("０１０１９０-１２３４", None, None, [], [], "０１０１９０-１２３４"),
]  # fmt: skip


@pytest.fixture(scope="module")
def macros() -> Any:
    text = "".join((SQL / name).read_text(encoding="utf-8") for name in ("digits.sql", "conversions.sql"))
    adapter = SimpleNamespace(get_columns_in_relation=lambda _: [SimpleNamespace(name="text", dtype="VARCHAR")])
    return jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(text, globals={"adapter": adapter}).module


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize(("text", "known", "staged", "found", "overlooked", "shown"), CASES, ids=[case[0] for case in CASES])
def test_a_number_is_the_same_one_to_all_who_look(
    macros: Any,
    connection: duckdb.DuckDBPyConnection,
    text: str,
    known: str | None,
    staged: str | None,
    found: list[str],
    overlooked: list[str],
    shown: str,
) -> None:
    connection.execute("create or replace table t as select ? as text", [text])

    def ask(sql: str) -> list[Any]:
        return [row[0] for row in connection.execute(sql).fetchall()]

    assert ask(f"select {cpr.normalised_cpr('text')} from t") == [known]
    assert ask(f"select {macros.to_cpr('text')} from t") == [staged]
    assert ask(cpr.found_in("text", "t")) == cpr.numbers_in(text) == found
    assert ask(f"select lpad(digits, 10, '0') from ({macros.written_numbers('text', 't')})") == found
    assert ask(macros.digits_in("t")) == [number for number in found if number not in overlooked]
    assert ask(f"select {macros.without_cpr('text')} from t") == [shown]
    assert cpr.masked(text) == shown


def test_what_staging_takes_the_vault_knows() -> None:
    assert all(known == staged for _, known, staged, *_ in CASES if staged)


def test_a_name_without_numbers_has_none_that_the_vault_could_know() -> None:
    assert not [text for text, *_ in CASES if cpr.numbers_in(cpr.without_numbers(text))]


def test_sql_and_python_have_the_same_patterns(macros: Any) -> None:
    ours = [cpr.SEPARATOR, cpr.COULD_BE, cpr.READS_AS_ONE, cpr.HASH]
    assert ours == [macros.cpr_separator(), macros.could_be_cpr(), macros.reads_as_cpr(), macros.hash_or_uuid()]
    assert macros.digits_alone("x") == f"regexp_replace(x, '{cpr.NO_DIGIT}', '', 'g')"


def test_what_is_hidden_by_its_shape_shows_no_digit_of_any_script(macros: Any, connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create or replace table t as select '٠١٠١-９０-12x Ærø' as text")
    assert connection.execute(f"select {macros.shape('text')} from t").fetchone() == ("9999-99-99a aaa",)
