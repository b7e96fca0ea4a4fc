"""The first night of the practice municipality: every row of every system, and nothing of a person's in what is published."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from town_support import ROLE, Town

pytestmark = pytest.mark.timeout(600)


def test_it_is_told_of_every_table(town: Town) -> None:
    code, status = town.status()
    assert code == 0, status
    assert set(status) == set(town.expected())


def test_every_row_of_every_system_is_in_the_raw_zone_once(town: Town) -> None:
    assert town.landed() == town.expected()


def test_the_quarantine_holds_what_was_planted_and_nothing_else(town: Town) -> None:
    found: dict[tuple[str, str, str], int] = {}
    for system, table, column, reason, count in town.warehouse(
        "select system_id, table_name, column_name, reason, count(*) from quality.quarantine group by all"
    ):
        if "dubleret" in reason:
            kind = reason
        elif "vandmærke" in reason:
            kind = f"{column}: vandmærke mangler"
        elif "for mange felter" in reason or "for få felter" in reason:
            kind = "for mange felter" if "for mange" in reason else "for få felter"
        elif "for kort" in reason:
            kind = "linjen er for kort"
        else:
            kind = f"{column}: {reason}"
        found[system, table, kind] = found.get((system, table, kind), 0) + count
    planted = {}
    for system, tables in town.truth["planted"].items():
        for table, kinds in tables.items():
            for kind, count in kinds.items():
                kind = kind.removeprefix("afvist: ")
                if system == "kmd_elev" and kind == "rettet_tidspunkt mangler":
                    kind = "rettet_tidspunkt: vandmærke mangler"
                planted[system, table, kind] = count
    # Not for the quarantine: CPR numbers in free text stay in the raw zone with the text, unknown accounts and employees become
    # unknown members, a child older than the parent is left out of its bridge, and a row without watermark is taken where the
    # register says so.
    elsewhere = ("cpr i fritekst", "ukendt konto", "ukendt medarbejder", "ældre end forælder")
    other = {key for key in planted if key[2].endswith(elsewhere)}
    taken = {key for key in planted if key[2].endswith("vandmærke mangler") and key[0] in ("opus_oekonomi", "dubu", "vagtplan")}
    assert found == {key: count for key, count in planted.items() if key not in other | taken}


def test_raw_equals_staging_plus_what_was_dropped(town: Town, ask: Any) -> None:
    dropped = {
        (system, table): rows
        for system, table, rows in ask(
            "select system_id, table_name, count(distinct (source_ref, source_row)) from quality.quarantine where row_dropped"
            " and reason not like '%vandmærke%' and reason not like '%felter%' and reason not like '%for kort%' group by all"
        )
    }
    staged = {
        (system, table): ask(f"select count(*) from staging.stg_{system}__{table}")[0][0] for system, table in town.expected()
    }
    assert town.landed(rejects=False) == {key: rows + dropped.get(key, 0) for key, rows in staged.items()}


def test_staging_holds_the_rows_and_sums_that_the_truth_says(town: Town, ask: Any) -> None:
    """`staging` is a count of rows, `staging_<column>` the sum of a column."""
    sums = 0
    for system, tables in town.truth["systems"].items():
        for table, told in tables.items():
            staging = f"staging.stg_{system}__{table}"
            columns = {name for (name,) in ask(f"select column_name from (describe {staging})")}
            asked = [name for name in told if name.removeprefix("staging_") in columns and name.startswith("staging_")]
            wanted = [Decimal(told["staging"]), *(Decimal(told[name]) for name in asked)] if "staging" in told else []
            listed = ", ".join(["count(*)", *(f"sum({name.removeprefix('staging_')})" for name in asked)])
            (found,) = ask(f"select {listed} from {staging}")
            assert [Decimal(value) for value in found][: len(wanted)] == wanted, (system, table)
            sums += len(asked)
    assert sums > 5


def test_question_5_reconciles_with_the_truth(town: Town) -> None:
    """Benefits and refund as a BI member reads them, against what the generator paid out.

    A group too small to show cannot be summed from outside: so what is shown is held against the facts, group by group, and the
    facts, which show all, against the truth.
    """
    month = "date_trunc('month', uge_mandag)"
    facts = town.warehouse(
        f"select {month}::date, ydelsesgruppe, sum(beloeb), sum(refusion) from conformed.fct_ydelse group by all"
    )
    paid: dict[str, tuple[Decimal, Decimal]] = {}
    for start, _, gross, refund in facts:
        before = paid.get(f"{start:%Y-%m}", (Decimal(0), Decimal(0)))
        paid[f"{start:%Y-%m}"] = (before[0] + gross, before[1] + refund)
    truth = town.truth["facts"]["ydelser"]
    assert {start: refund for start, (_, refund) in paid.items()} == {
        start: Decimal(sums["refusion"]) for start, sums in truth.items()
    }
    # What differs are the amounts that could not be read: they stand in the quarantine, and nothing else is missing.
    differing = [start for start, (gross, _) in paid.items() if gross != Decimal(truth[start]["beloeb"])]
    assert 0 < len(differing) <= town.truth["planted"]["ydelsesrefusion"]["beregninger"]["beloeb: kan ikke konverteres"]
    source = town.truth["systems"]["ydelsesrefusion"]["beregninger"]
    assert town.warehouse("select sum(beloeb), sum(refusion) from staging.stg_ydelsesrefusion__beregninger") == [
        (Decimal(source["staging_beloeb"]), Decimal(source["staging_refusion"]))
    ]
    shown = town.published(
        "select maaned, ydelsesgruppe, brutto, refusion from mart_ydelse_refusion"
        " where not diskretioneret and ydelsesgruppe <> 'I alt'"
    )
    assert len(shown) > 30
    assert set(shown) <= set(facts)
    months = town.published(
        "select strftime(maaned, '%Y-%m'), brutto, refusion from mart_ydelse_refusion"
        " where ydelsesgruppe = 'I alt' and not diskretioneret"
    )
    assert {start: (gross, refund) for start, gross, refund in months} == paid


def test_nothing_published_holds_a_cpr_number_a_name_or_an_address(town: Town) -> None:
    """Every byte of every published file, and every value of every column, against every person of the municipality."""
    cprs = {row[0] for row in town.raw("cpr_sf6002", "select cpr from raw.personer where cpr is not null")}
    names = {
        f"{first} {last}"
        for first, last in town.raw("cpr_sf6002", "select fornavn, efternavn from raw.navne where fornavn is not null")
    }
    addresses = {
        row[0] for row in town.raw("opus_loen", "select distinct address from raw.ansaettelser where address is not null")
    }
    assert len(cprs) > 500
    assert len(names) > 100
    assert len(addresses) > 20
    folder = (town.home.published / ROLE / "current").resolve()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        content = path.read_bytes()
        digits = set(re.findall(rb"(?<![0-9])[0-9]{10}(?![0-9])|(?<![0-9])[0-9]{6}-[0-9]{4}(?![0-9])", content))
        assert not {found.decode().replace("-", "") for found in digits} & cprs, path
        for word in names | addresses:
            assert word.encode() not in content, (path, word)
    with duckdb.connect(str(folder / "faellesdata.duckdb"), read_only=True) as role:
        for table, column in role.execute("select table_name, column_name from duckdb_columns() where not internal").fetchall():
            values = role.execute(f'select distinct cast("{column}" as varchar) from "{table}"').fetchall()
            text = " ".join(value[0] for value in values if value[0])
            found = {number.replace("-", "") for number in re.findall(r"\b\d{6}-?\d{4}\b", text)}
            assert not found & cprs, (table, column)
            assert not any(word in text for word in names | addresses), (table, column)


def test_no_published_date_is_older_than_excel_and_power_bi_can_have_it(town: Town) -> None:
    """What has always been so began on 1 January 1900: Excel's first day, and Power BI's, but for two months."""
    with duckdb.connect(str(town.home.published / ROLE / "current" / "faellesdata.duckdb"), read_only=True) as role:
        dates = role.execute(
            "select table_name, column_name from duckdb_columns() where not internal and data_type in ('DATE', 'TIMESTAMP')"
        ).fetchall()
        first = {
            (table, column): role.execute(f'select min("{column}")::date::varchar from "{table}"').fetchall()[0][0]
            for table, column in dates
        }
    assert {found for found in first.values() if found and found < "1900-02-01"} == {"1900-01-01"}


def test_the_warehouse_holds_no_cpr_number(town: Town) -> None:
    cprs = {row[0] for row in town.raw("cpr_sf6002", "select cpr from raw.personer where cpr is not null")}
    with duckdb.connect(str(town.home.warehouse), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name, string_agg(format('cast(\"{}\" as varchar)', column_name), ', ')"
            " from duckdb_columns()"
            " where not internal and data_type in ('VARCHAR', 'BIGINT') group by all"
        ).fetchall()
        assert len(tables) > 200
        for schema, table, texts in tables:
            rows = connection.execute(
                f"select distinct unnest(regexp_extract_all(concat_ws(' | ', {texts}), '\\b[0-9]{{6}}-?[0-9]{{4}}\\b'))"
                f' from "{schema}"."{table}"'
            ).fetchall()
            assert not {row[0].replace("-", "") for row in rows} & cprs, (schema, table)


def test_small_cells_are_suppressed(town: Town) -> None:
    assert town.published("select count(*) from mart_ydelse_refusion where personer between 1 and 4") == [(0,)]
    assert town.published("select count(*) > 0 from mart_ydelse_refusion where personer is null") == [(True,)]
