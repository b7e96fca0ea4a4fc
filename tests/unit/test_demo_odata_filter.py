"""`$filter` of the practice servers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from demo.odata_filter import comparable, parse_filter
from demo.systems.opus_oekonomi import sap_amount

FIELDS = {
    "Belnr": "Edm.String",
    "Beloeb": "Edm.Decimal",
    "Budat": "Edm.DateTime",
    "Aedat": "Edm.DateTimeOffset",
    "Id": "Edm.Int32",
}
ROW = {
    "Belnr": "19'1",
    "Beloeb": Decimal("-12.5"),
    "Budat": "2026-01-05T00:00:00",
    "Aedat": "2026-01-05T07:30:00",
    "Id": None,
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Belnr eq '19''1'", True),
        ("Beloeb lt 0m and Beloeb ge -12.50M", True),
        ("Budat ge datetime'2026-01-05T00:00:00'", True),
        ("Budat gt datetime'2026-01-05T00:00:00'", False),
        ("Aedat eq datetimeoffset'2026-01-05T08:30:00+01:00'", True),
        ("Aedat ge 2026-01-05T07:30:00Z", True),
        ("Id eq null", True),
        ("Id ne null", False),
        ("Id ge 0", False),
        ("Belnr eq 'x' or Beloeb lt 0 and Id eq null", True),
        ("(Belnr eq 'x' or Beloeb lt 0) and Id ne null", False),
    ],
)
def test_conditions(condition: str, expected: bool) -> None:
    assert parse_filter(condition, FIELDS).matches(ROW.get) is expected


@pytest.mark.parametrize(
    "condition",
    ["Nix eq 1", "Id", "Id is 1", "Id eq", "Id eq one", "(Id eq 1", "Id eq 1 Id", "Budat ge '2026-01-05'", "Aedat ge i går", "'"],
)
def test_what_is_no_condition_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match=r"\$filter|isoformat"):
        parse_filter(condition, FIELDS)


def test_values_are_compared_as_what_they_mean() -> None:
    assert comparable("Edm.Decimal", "1234.50-") == Decimal("-1234.50")
    assert comparable("Edm.Decimal", "12O4.50") is None
    assert comparable("Edm.DateTime", "/Date(1767225600000)/") == "2026-01-01T00:00:00"
    assert comparable("Edm.DateTimeOffset", "/Date(1767225600000+0000)/") == "2026-01-01T00:00:00"
    assert comparable("Edm.DateTime", "/Date(ukendt)/") is None
    assert comparable("Edm.Date", "2025-02-30") is None


def test_sap_puts_the_minus_where_it_likes() -> None:
    assert sap_amount(-123456, 0) == "1234.56-"
    assert sap_amount(-123456789, 1) == "1.234.567,89-"
    assert sap_amount(-5, 2) == "-0.05"
    assert sap_amount(1250, 0) == "12.50"
