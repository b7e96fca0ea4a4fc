"""What the register says of a system whose data come as files: where they lie, when they are whole, and how they are written."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ingestion.register.basics import Secret, Setting, Strict, TableBase, Text


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


def _with_groups(pattern: str, *needed: str) -> re.Pattern[str]:
    """Return the compiled expression, or raise if it is none or lacks a named group that is needed."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'{pattern}' is not a regular expression: {error}") from None
    missing = [name for name in needed if name not in compiled.groupindex]
    if missing:
        raise ValueError(f"'{pattern}' has no group called {missing[0]}. Write (?P<{missing[0]}>…)")
    return compiled


Encoding = Literal["utf-8", "cp1252", "latin-1"]


class Unpack(Strict):
    """Files come packed. What is too much, or odd, is refused before anything of it is read (a `ZIP bomb`)."""

    type: Literal["zip", "gzip"]
    members: Text = "*"
    """ZIP: which of the files inside, by glob on their whole path."""
    max_files: Annotated[int, Field(gt=0)] = 1000
    """Files that an archive may hold."""
    max_megabytes: Annotated[int, Field(gt=0)] = 20_000
    """All of it, unpacked."""
    max_ratio: Annotated[int, Field(gt=1)] = 200
    """Times that the content may be larger than the archive."""


class SourceBase(Strict):
    """What all formats have in common."""

    glob: Text
    """Which files, by name. With `/` in it also those in folders below: `2026/*.csv`, or `**/*.csv` for any depth."""
    unpack: Unpack | None = None
    name_pattern: Text | None = None
    """Regular expression that must match the file's whole name (without folders); its named groups fill the columns of their
    names (a period, a version)."""
    modified_as: Text | None = None
    """Name of a column that gets the time of the file's last change (UTC, ISO 8601), where nothing else tells versions apart."""

    @model_validator(mode="after")
    def _pattern(self) -> SourceBase:
        if self.name_pattern is not None:
            _with_groups(self.name_pattern)
        return self

    def of_the_file(self) -> set[str]:
        """Names of the columns that come from the file's name and time, not from its content."""
        groups = _with_groups(self.name_pattern).groupindex if self.name_pattern else {}
        return {*groups, *([self.modified_as] if self.modified_as else [])}


class CsvSource(SourceBase):
    """Delimited text with headings."""

    format: Literal["csv"]
    encoding: Encoding = "utf-8"
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ";"
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] = '"'
    header: bool = True
    """False: the first line is a record already, and fields come in the order in which the columns are declared."""
    preamble_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    """Lines above the headings (a title, the date of the extract), which are passed over."""
    trailer_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    """Lines, blank ones not counted, below the last record, which are no records."""
    trailer_count: Text | None = None
    """Regular expression that finds, in the trailer lines, the number of records in a group called `rows`: it must agree."""
    excel_text: bool = False
    """Cells written as `="0012"`, so that Excel keeps their zeros, are unwrapped to 0012."""

    @model_validator(mode="after")
    def _trailer(self) -> CsvSource:
        if self.trailer_count is not None:
            if not self.trailer_lines:
                raise ValueError("`trailer_count` looks in the trailer. Say how many `trailer_lines` there are")
            _with_groups(self.trailer_count, "rows")
        return self


class ExcelSource(SourceBase):
    """Workbooks: xlsx, xls, ods."""

    format: Literal["excel"]
    sheet: Text
    """Name, or pattern; a pattern leaves hidden sheets out."""
    header_row: Annotated[int, Field(ge=1)] = 1
    """Row, from 1, that holds the headings; what stands above is a banner."""
    header_rows: Annotated[int, Field(ge=1, le=5)] = 1
    """Rows of headings. Those above one another are joined by a blank; an upper one counts for the empty cells to its right."""


class XmlSource(SourceBase):
    format: Literal["xml"]
    record: Text
    """Element that makes a row, by its local name; `parent/name` where the name also stands elsewhere."""
    each: Text | None = None
    """Repeated children, by their path below the record, that make the rows instead. A column's path begins at the child and goes
    up with `..`: `../@id` is the record's own id."""


class JsonSource(SourceBase):
    """JSON: a document with a list of records, or a record on each line (JSON Lines)."""

    format: Literal["json"]
    lines: bool = False
    """A record on each line. A document is held in memory as a whole, lines are not."""
    records: Text = "$"
    """Dotted path of the list of records in a document."""
    each: Text | None = None
    """Dotted path, in each record, of the list of children that make the rows instead. `path: ^.id` is the record's own id."""


class ParquetSource(SourceBase):
    """Parquet, with its own types."""

    format: Literal["parquet"]


class FixedSource(SourceBase):
    """Fixed width with record types (CPR: three digits first on each line)."""

    format: Literal["fixed"]
    encoding: Encoding = "latin-1"
    record_type: Text
    type_length: Annotated[int, Field(gt=0)] = 3
    header: Text = "000"
    trailer: Text = "999"
    trailer_count_at: tuple[int, int] | None = None
    """Position and length, in the trailer record, of the count of records between header and trailer."""


FileSource = Annotated[
    CsvSource | ExcelSource | XmlSource | JsonSource | ParquetSource | FixedSource, Field(discriminator="format")
]


class FilesTable(TableBase):
    source: FileSource

    @model_validator(mode="after")
    def _positions(self) -> FilesTable:
        fixed = isinstance(self.source, FixedSource)
        made = self.source.of_the_file()
        if missing := sorted(made - set(self.columns)):
            raise ValueError(f"column '{missing[0]}' comes from the file's name or time, but is not among the columns. Add it")
        wrong = [name for name, column in self.columns.items() if (column.at is not None) != (fixed and name not in made)]
        if wrong:
            raise ValueError(f"columns {', '.join(wrong)}: `at` is required for fixed width and for nothing else")
        return self
