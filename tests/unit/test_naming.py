from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.naming import fold


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("år", "aar"),
        ("ær", "aer"),
        ("ør", "oer"),
        ("ÅR", "aar"),
        ("Ærø", "aeroe"),
        ("BELØB", "beloeb"),
        ("ÅrsBeløb", "aars_beloeb"),
        ("Beløb i DKK", "beloeb_i_dkk"),
        ("CPR-nummer", "cpr_nummer"),
        ("PostingDate", "posting_date"),
        ("BELNR", "belnr"),
        ("XMLHttpRequest", "xml_http_request"),
        ("2024", "_2024"),
        ("%", "x"),
        ("a\N{COMBINING RING ABOVE}r", "aar"),
        ("Müller", "muller"),
    ],
)
def test_fold(name: str, folded: str) -> None:
    assert fold(name) == folded


@given(st.text(min_size=1))
def test_fold_gives_an_identifier_and_is_stable(name: str) -> None:
    folded = fold(name)
    assert folded.isascii()
    assert folded.isidentifier()
    assert folded == folded.lower()
    assert fold(folded) == folded


def test_dlt_keeps_danish_letters_apart(tmp_path: object) -> None:
    """dlt's own naming made `år` and `ær` one column and kept the last value only."""
    from ingestion.dlt_naming import NamingConvention

    naming = NamingConvention()
    assert [naming.normalize_identifier(name) for name in ("år", "ær", "ør")] == ["aar", "aer", "oer"]
    assert naming.normalize_identifier("_dlt_load_id") == "_dlt_load_id"
    assert naming.normalize_identifier("_source_row") == "_source_row"
