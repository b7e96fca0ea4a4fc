"""What SQL Server, Oracle, MariaDB and MySQL declare and hand over, as their drivers and SQLAlchemy do it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, oracle
from sqlalchemy.sql.elements import quoted_name

from ingestion.connectors.sql_session import arguments
from ingestion.connectors.sql_source import _column, quoting, what_happened
from ingestion.connectors.sql_types import fitted, kind_of, read_as, taken_whole
from ingestion.register.basics import Limits

MOMENT, ZONED, DAY = pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.date32()
COPENHAGEN = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("declared", "kind", "handed", "stored"),
    [
        # SQL Server (pymssql)
        (mssql.MONEY(), pa.decimal128(38, 4), Decimal("1234.5600"), Decimal("1234.5600")),
        (mssql.SMALLMONEY(), pa.decimal128(38, 4), Decimal("-1.1"), Decimal("-1.1000")),
        (mssql.BIT(), pa.bool_(), True, True),
        (mssql.TINYINT(), pa.int64(), 255, 255),
        (mssql.DATETIME2(7), MOMENT, datetime(2026, 3, 29, 2, 30, 0, 123456), datetime(2026, 3, 29, 2, 30, 0, 123456)),
        (mssql.SMALLDATETIME(), MOMENT, datetime(1900, 1, 1), datetime(1900, 1, 1)),
        (
            mssql.DATETIMEOFFSET(7),
            ZONED,
            datetime(2026, 7, 1, 12, tzinfo=COPENHAGEN),
            datetime(2026, 7, 1, 10, tzinfo=UTC),
        ),
        (mssql.DATE(), DAY, date(1753, 1, 1), date(1753, 1, 1)),
        (mssql.TIME(7), pa.string(), time(8, 30), "08:30:00"),
        (mssql.UNIQUEIDENTIFIER(), pa.string(), UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
        (mssql.ROWVERSION(), pa.string(), b"\x00\x00\x07\xd1", "000007d1"),
        (mssql.XML(), pa.string(), "<a>å</a>", "<a>å</a>"),
        (mssql.SQL_VARIANT(), pa.string(), 7, "7"),
        (mssql.REAL(), pa.float64(), 1.5, 1.5),
        (mssql.NUMERIC(12, 2), pa.decimal128(38, 2), Decimal("1.10"), Decimal("1.10")),
        # Oracle (oracledb)
        (oracle.DATE(), MOMENT, datetime(2026, 1, 1, 8, 30), datetime(2026, 1, 1, 8, 30)),
        (
            oracle.TIMESTAMP(timezone=True),
            ZONED,
            datetime(2026, 7, 1, 12, tzinfo=COPENHAGEN),
            datetime(2026, 7, 1, 10, tzinfo=UTC),
        ),
        (oracle.NUMBER(12, 2), pa.decimal128(38, 2), Decimal("1.1"), Decimal("1.10")),
        (oracle.NUMBER(10, 0), pa.decimal128(38, 0), 7, Decimal("7")),
        (oracle.NUMBER(5, -2), pa.decimal128(38, 0), 1200, Decimal("1200")),
        (oracle.NUMBER(), pa.string(), Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (oracle.BINARY_DOUBLE(), pa.float64(), 0.1, 0.1),
        (oracle.RAW(16), pa.string(), b"\xff", "ff"),
        (oracle.CLOB(), pa.string(), "tekst", "tekst"),
        # MariaDB and MySQL (pymysql)
        (mysql.TINYINT(1), pa.int64(), 1, 1),
        (mysql.BIGINT(unsigned=True), pa.decimal128(38, 0), 2**64 - 1, Decimal(2**64 - 1)),
        (mysql.DATE(), DAY, "0000-00-00", None),
        (mysql.DATETIME(), MOMENT, "0000-00-00 00:00:00", None),
        (mysql.TIME(), pa.string(), timedelta(hours=8, minutes=5), "08:05:00"),
        (mysql.TIME(fsp=6), pa.string(), -timedelta(hours=30, microseconds=5), "-30:00:00.000005"),
        (mysql.SET("b", "a"), pa.string(), {"b", "a"}, "a,b"),
        (mysql.ENUM("a"), pa.string(), "a", "a"),
        (mysql.YEAR(), pa.string(), 2026, "2026"),
        (mysql.BIT(1), pa.string(), b"\x01", "01"),
        (mysql.JSON(), pa.string(), '{"a":1.10}', '{"a":1.10}'),
        (mysql.DOUBLE(), pa.float64(), 1.5, 1.5),
    ],
)
def test_types(declared: Any, kind: pa.DataType, handed: Any, stored: Any) -> None:
    assert kind_of(declared, []) == kind
    assert pa.array([fitted(handed, kind), None], kind).to_pylist() == [stored, None]


@pytest.mark.parametrize(
    ("handed", "kind"), [(10.5, pa.int64()), (Decimal("10.5"), pa.int64()), (datetime(2026, 1, 1, 8, 30), DAY)]
)
def test_what_arrow_would_cut_off_is_refused(handed: Any, kind: pa.DataType) -> None:
    assert pa.array([handed], kind).to_pylist() != [handed]
    assert not taken_whole([None, handed], kind)
    with pytest.raises(ValueError, match=re.escape(str(handed))):
        fitted(handed, kind)


def test_a_number_without_a_scale_is_asked_for_as_a_decimal() -> None:
    """Oracle's comes as a float otherwise: 12345678901234567890.1 would be 12345678901234567000."""
    assert oracle.NUMBER().asdecimal is False
    read = read_as(oracle.NUMBER())
    assert isinstance(read, sa.Numeric)
    assert read.asdecimal
    scaled = oracle.NUMBER(12, 2)
    assert read_as(scaled) is scaled


def test_what_sqlalchemy_would_spoil_on_the_way_is_read_otherwise() -> None:
    """Measured on MariaDB 10.11: 0.1 in a DOUBLE came as Decimal('0.1000000000'), -30:00:01 in a TIME as 17:59:59."""
    assert mysql.DOUBLE().asdecimal is True
    assert read_as(mysql.DOUBLE()).asdecimal is False
    assert isinstance(read_as(mysql.TIME()), sa.types.NullType)
    assert isinstance(read_as(mysql.JSON()), sa.types.NullType)
    assert kind_of(mysql.TIME(), []) == pa.string()


@pytest.mark.parametrize(
    ("dialect", "name", "quoted"),
    [
        (oracle.dialect(), "belob", '"BELOB"'),  # SQLAlchemy tells Oracle's capitals in small letters.
        (oracle.dialect(), "Belob", '"Belob"'),
        (oracle.dialect(), quoted_name("belob", quote=True), '"belob"'),
        (oracle.dialect(), "ORDER", '"ORDER"'),
        (mysql.dialect(), "Andel % `x`", "`Andel % ``x```"),
        (mssql.dialect(), "Andel %]", "[Andel %]]]"),
    ],
)
def test_names_are_quoted_as_the_database_has_them(dialect: sa.Dialect, name: str, quoted: str) -> None:
    assert quoting(dialect)(name) == quoted


def test_oracles_moments_with_a_zone_are_asked_for_in_utc() -> None:
    """The driver hands them over without the zone (python-oracledb issue 274)."""
    assert _column("oracle", '"T"', oracle.TIMESTAMP(timezone=True), None) == 'SYS_EXTRACT_UTC("T") AS "T"'
    assert _column("oracle", '"T"', oracle.TIMESTAMP(), None) == '"T"'


@pytest.mark.parametrize(
    ("original", "message"),
    [
        (Exception(1049, "Unknown database 'x'"), "answers: Unknown database 'x'. Check the database's name"),
        (Exception(1045, "Access denied for user 'a'"), "Check user name and password"),
        (Exception(18456, b"Login failed for user 'a'.DB-Lib error"), "answers: Login failed .* Check user name and password"),
        (Exception(208, b"Invalid object name 'x'."), "answers: Invalid object name 'x'. Correct the register"),
        (Exception("ORA-01017: invalid username/password; logon denied"), "Check user name and password"),
        (Exception("SSL error: certificate verify failed"), "Ask the database's owner whether its certificate has expired"),
        (Exception("ORA-00904: X: invalid identifier"), "Correct the register"),
    ],
)
def test_what_drivers_say_is_told_with_advice(original: Exception, message: str) -> None:
    assert re.search(message, what_happened(sa.exc.DBAPIError("select", None, original)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mariadb+pymysql://a@h/d", {"connect_timeout": 7, "read_timeout": 99}),
        ("mssql+pymssql://a@h/d", {"login_timeout": 7, "timeout": 99, "read_only": True}),
        ("oracle+oracledb://a@h/?service_name=d", {"tcp_connect_timeout": 7, "expire_time": 1}),
        ("sqlite:///x", {}),
        (
            "postgresql+psycopg://a@h/d",
            {
                "connect_timeout": 7,
                "options": "-cstatement_timeout=99s -cdefault_transaction_read_only=on",
                "keepalives_idle": 60,
                "keepalives_interval": 15,
                "keepalives_count": 4,
            },
        ),
    ],
)
def test_each_driver_is_told_of_time_outs_in_its_own_words(url: str, expected: dict[str, Any]) -> None:
    assert arguments(sa.make_url(url), Limits(timeout_seconds=7, table_seconds=99)) == expected


@pytest.mark.parametrize("url", ["mariadb+pymysql://a@h/d", "mssql+pymssql://a@h/d", "oracle+oracledb://a@h/?service_name=d"])
def test_the_extras_bring_the_drivers(url: str) -> None:
    assert sa.create_engine(url).dialect.dbapi is not None
