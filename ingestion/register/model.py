"""What a register file says: one pydantic model per notion, unknown keys refused.

The register is the only hand-written description of a system; extraction, dbt sources, staging, Dagster assets, privacy handling
and the system overview all follow from it. Options are typed per protocol, so that an editor with the published JSON Schema
completes and checks them while a file is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from ingestion.register.api import (
    GraphQLConnection,
    GraphQLTable,
    ODataConnection,
    ODataTable,
    RestConnection,
    RestTable,
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
    TableBase,
    Text,
)
from ingestion.register.database import SqlConnection, SqlTable

__all__ = ["Column", "EnvRef", "FileRef", "Freshness", "Limits", "Register", "RowRange", "Secret", "Setting", "System", "Table"]

# --- Files -------------------------------------------------------------------------------------------------------------------


class LocalTransport(Strict):
    type: Literal["local"]
    folder: Setting


class SftpTransport(Strict):
    type: Literal["sftp"]
    host: Setting
    port: Setting = "22"
    username: Setting
    password: Secret | None = None
    private_key: Secret | None = None
    host_key: Setting
    """The server's public key as in known_hosts (`ssh-ed25519 AAAA…`): checked on every connection."""
    folder: Text = "."


Transport = Annotated[LocalTransport | SftpTransport, Field(discriminator="type")]


class FilesConnection(Strict):
    protocol: Literal["files"]
    transport: Transport
    quiet_seconds: Annotated[int, Field(ge=0)] = 0
    """A file younger than this is taken as half-written and waits for the next load."""


Encoding = Literal["utf-8", "cp1252", "latin-1"]


class CsvSource(Strict):
    format: Literal["csv"]
    glob: Text
    encoding: Encoding = "utf-8"
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ";"
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] = '"'


class ExcelSource(Strict):
    format: Literal["excel"]
    glob: Text
    sheet: Text
    header_row: Annotated[int, Field(ge=1)] = 1
    """Row, from 1, that holds the headings; what stands above is a banner."""


class XmlSource(Strict):
    format: Literal["xml"]
    glob: Text
    record: Text
    """Element that makes a row, by its local name; `parent/name` where the name also stands elsewhere."""


class FixedSource(Strict):
    """Fixed width with record types (CPR: three digits first on each line)."""

    format: Literal["fixed"]
    glob: Text
    encoding: Encoding = "latin-1"
    record_type: Text
    type_length: Annotated[int, Field(gt=0)] = 3
    header: Text = "000"
    trailer: Text = "999"
    trailer_count_at: tuple[int, int] | None = None
    """Position and length, in the trailer record, of the count of records between header and trailer."""


FileSource = Annotated[CsvSource | ExcelSource | XmlSource | FixedSource, Field(discriminator="format")]


class FilesTable(TableBase):
    source: FileSource

    @model_validator(mode="after")
    def _positions(self) -> FilesTable:
        fixed = isinstance(self.source, FixedSource)
        wrong = [name for name, column in self.columns.items() if (column.at is not None) != fixed]
        if wrong:
            raise ValueError(f"columns {', '.join(wrong)}: `at` is required for fixed width and for nothing else")
        return self


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
    classification: PiiClass
    modifiers: list[Modifier] = []
    legal_basis: Annotated[list[LegalBasis], Field(min_length=1)]
    purpose: Annotated[list[Purpose], Field(min_length=1)]
    retention: Retention
    kitos_uuid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")] | None = None
    """The system's usage in OS2kitos, so that the two registers reconcile."""
    limits: Limits = Limits()


class SqlSystem(SystemBase):
    connection: SqlConnection
    tables: Annotated[dict[Identifier, SqlTable], Field(min_length=1)]


class ODataSystem(SystemBase):
    connection: ODataConnection
    tables: Annotated[dict[Identifier, ODataTable], Field(min_length=1)]


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


class FilesSystem(SystemBase):
    connection: FilesConnection
    tables: Annotated[dict[Identifier, FilesTable], Field(min_length=1)]


def _protocol(value: Any) -> str | None:
    connection = value.get("connection") if isinstance(value, dict) else getattr(value, "connection", None)
    protocol = connection.get("protocol") if isinstance(connection, dict) else getattr(connection, "protocol", None)
    return protocol if isinstance(protocol, str) else None


System = SqlSystem | ODataSystem | RestSystem | GraphQLSystem | FilesSystem
Table = SqlTable | ODataTable | RestTable | GraphQLTable | FilesTable
SYSTEM_BY_PROTOCOL: dict[str, type[SystemBase]] = {
    "sql": SqlSystem,
    "odata": ODataSystem,
    "rest": RestSystem,
    "graphql": GraphQLSystem,
    "files": FilesSystem,
}
TaggedSystem = Annotated[
    Annotated[SqlSystem, Tag("sql")]
    | Annotated[ODataSystem, Tag("odata")]
    | Annotated[RestSystem, Tag("rest")]
    | Annotated[GraphQLSystem, Tag("graphql")]
    | Annotated[FilesSystem, Tag("files")],
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
