"""Databases in the register."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ingestion.register.basics import Secret, Setting, Strict, TableBase, Text


class SqlConnection(Strict):
    """A relational database read through SQLAlchemy (PostgreSQL also by DuckDB itself, which is ten times faster)."""

    protocol: Literal["sql"]
    url: Setting
    """SQLAlchemy URL without the password, e.g. `postgresql+psycopg://reader@host:5432/elev`. Others by extras of ours:
    `mariadb+pymysql://…` (mariadb), `mssql+pymssql://…` (mssql), `oracle+oracledb://…` (oracle)."""
    password: Secret | None = None


class KeyRanges(Strict):
    """Read a large table in several statements, so that none runs for hours. Needs a key of numbers."""

    column: Text
    rows: Annotated[int, Field(gt=0)] = 1_000_000
    """About as many in each, if the key has no great gaps."""
    connections: Annotated[int, Field(ge=1, le=16)] = 1
    """So many ranges are read at once, each over a connection of its own; ask the vendor how many the system bears. In PostgreSQL
    all see one snapshot. Elsewhere each has its own: read at an hour in which nobody writes."""


class SqlSource(Strict):
    table: Text | None = None
    """Table or view, with its schema where it has one."""
    query: Text | None = None
    """SQL that gives the rows; it stands in a FROM, so no ORDER BY in SQL Server."""
    joined: dict[Text, tuple[Text, Text]] = {}
    """New column → the columns that hold its day and its time of day. It can be the cursor."""
    ranges: KeyRanges | None = None
    sums: list[Text] = []
    """Columns of numbers whose sum the database is asked for, in the transaction that reads the rows: they must agree."""

    @model_validator(mode="after")
    def _one(self) -> SqlSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`")
        if self.query is not None and self.joined:
            raise ValueError("`joined` is for a table; put the two together in the query")
        return self


class SqlTable(TableBase):
    source: SqlSource

    @model_validator(mode="after")
    def _no_paths(self) -> SqlTable:
        self.refuse_paths()
        return self

    def summed(self) -> list[str]:
        return self.source.sums
