"""Databases in the register."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ingestion.register.basics import Secret, Setting, Strict, TableBase, Text


class SqlConnection(Strict):
    """A relational database read through SQLAlchemy (PostgreSQL also by DuckDB itself, which is ten times faster)."""

    protocol: Literal["sql"]
    url: Setting
    """SQLAlchemy URL without the password, e.g. `postgresql+psycopg://reader@host:5432/elev`."""
    password: Secret | None = None


class SqlSource(Strict):
    table: Text | None = None
    """Table or view, with its schema where it has one."""
    query: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> SqlSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`")
        return self


class SqlTable(TableBase):
    source: SqlSource
