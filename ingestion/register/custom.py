"""Systems that a function of our own reads: for what no protocol covers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from ingestion.register.basics import Secret, Setting, Strict, TableBase, Text


class PythonConnection(Strict):
    """The register's rules hold all the same: owner, privacy, columns, expected rows, rejects, quarantine."""

    protocol: Literal["python"]
    settings: dict[Text, Setting | Secret] = {}
    """Given to the function by name. None of their values is shown in a message."""


class PythonSource(Strict):
    function: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """`module.path:name`, of a module that Python finds, e.g. in `ingestion/functions/`. Called as
    `name(table_name, since, **settings)`; `since` is the cursor's last value as text, or None. It yields a dict for each row,
    by the source's names."""


class PythonTable(TableBase):
    source: PythonSource

    @model_validator(mode="after")
    def _no_paths(self) -> PythonTable:
        self.refuse_paths()
        return self
