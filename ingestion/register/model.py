"""What a register file says: one pydantic model per notion, unknown keys refused.

The register is the only hand-written description of a system; extraction, dbt sources, staging, Dagster assets, privacy handling
and the system overview all follow from it. Options are typed per protocol, so that an editor with the published JSON Schema
completes and checks them while a file is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from ingestion.register.api import (
    GraphQLConnection,
    GraphQLTable,
    ODataConnection,
    ODataTable,
    RestConnection,
    RestTable,
    SoapConnection,
    SoapTable,
    check_parents,
)
from ingestion.register.basics import (
    Cadence,
    Column,
    Contact,
    Department,
    EnvRef,
    FileRef,
    Freshness,
    Identifier,
    LegalBasis,
    Limits,
    Modifier,
    PiiClass,
    Purpose,
    Retention,
    RowRange,
    Secret,
    Setting,
    Strict,
    Text,
)
from ingestion.register.custom import PythonConnection, PythonTable
from ingestion.register.database import SqlConnection, SqlTable
from ingestion.register.files import FilesConnection, FilesTable

__all__ = ["Column", "EnvRef", "FileRef", "Freshness", "Limits", "Register", "RowRange", "Secret", "Setting", "System", "Table"]

# --- Systems -----------------------------------------------------------------------------------------------------------------


class SystemBase(Strict):
    id: Identifier
    """Unique; names the raw file, the pipeline and the asset group. Cannot change once loaded."""
    title: Text
    """Danish name as staff know it."""
    description: Text
    department: Department
    product: Text
    vendor: Text
    owner: Contact
    data_steward: Contact
    cadence: Cadence
    freshness: Freshness
    alert_from: Literal["warn", "error"] = "warn"
    """What the owner is written to about. warn: also what only warns, such as a new column or an unusual number of rows."""
    classification: PiiClass
    modifiers: list[Modifier] = []
    legal_basis: Annotated[list[LegalBasis], Field(min_length=1)]
    purpose: Annotated[list[Purpose], Field(min_length=1)]
    retention: Retention
    kitos_uuid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")] | None = None
    """The system's usage in OS2kitos, so that the two registers reconcile."""
    link: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """Where staff open the system, or a page about it: shown in the graph."""
    limits: Limits = Limits()


class SqlSystem(SystemBase):
    connection: SqlConnection
    tables: Annotated[dict[Identifier, SqlTable], Field(min_length=1)]


class ODataSystem(SystemBase):
    connection: ODataConnection
    tables: Annotated[dict[Identifier, ODataTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _delta_is_odata(self) -> ODataSystem:
        if self.connection.dialect == "plain" and any(table.source.delta for table in self.tables.values()):
            raise ValueError("the plain dialect has no `delta`. Use a `cursor`")
        cut = any(table.source.delta and table.source.page_size for table in self.tables.values())
        if self.connection.dialect == "v2" and cut:
            raise ValueError("V2 tracks no changes of pages that we cut. Leave out `page_size` where there is `delta`")
        return self


class RestSystem(SystemBase):
    connection: RestConnection
    tables: Annotated[dict[Identifier, RestTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _parents(self) -> RestSystem:
        check_parents({name: (table, table.source.for_each) for name, table in self.tables.items()})
        return self


class GraphQLSystem(SystemBase):
    connection: GraphQLConnection
    tables: Annotated[dict[Identifier, GraphQLTable], Field(min_length=1)]


class SoapSystem(SystemBase):
    connection: SoapConnection
    tables: Annotated[dict[Identifier, SoapTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _parents(self) -> SoapSystem:
        check_parents({name: (table, table.source.for_each) for name, table in self.tables.items()})
        return self


class PythonSystem(SystemBase):
    connection: PythonConnection
    tables: Annotated[dict[Identifier, PythonTable], Field(min_length=1)]


class FilesSystem(SystemBase):
    connection: FilesConnection
    tables: Annotated[dict[Identifier, FilesTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _put_away(self) -> FilesSystem:
        moved = any(table.source.archive or table.source.failed for table in self.tables.values())
        if moved and self.connection.transport.type == "http":
            raise ValueError("behind a web address nothing can be put away. Leave out `archive` and `failed`")
        return self


def _protocol(value: Any) -> str | None:
    connection = value.get("connection") if isinstance(value, dict) else getattr(value, "connection", None)
    protocol = connection.get("protocol") if isinstance(connection, dict) else getattr(connection, "protocol", None)
    return protocol if isinstance(protocol, str) else None


System = SqlSystem | ODataSystem | RestSystem | GraphQLSystem | SoapSystem | FilesSystem | PythonSystem
Table = SqlTable | ODataTable | RestTable | GraphQLTable | SoapTable | FilesTable | PythonTable
TaggedSystem = Annotated[
    Annotated[SqlSystem, Tag("sql")]
    | Annotated[ODataSystem, Tag("odata")]
    | Annotated[RestSystem, Tag("rest")]
    | Annotated[GraphQLSystem, Tag("graphql")]
    | Annotated[SoapSystem, Tag("soap")]
    | Annotated[FilesSystem, Tag("files")]
    | Annotated[PythonSystem, Tag("python")],
    Discriminator(_protocol),
]


class Register(BaseModel):
    """All systems, by id, in alphabetical order."""

    model_config = ConfigDict(frozen=True)
    systems: dict[str, System]

    def tables(self) -> Iterator[tuple[System, str, Table]]:
        for system in self.systems.values():
            for name, table in system.tables.items():
                yield system, name, table

    def without(self, system_ids: Collection[str]) -> Register:
        return self.model_copy(update={"systems": {key: one for key, one in self.systems.items() if key not in system_ids}})
