"""What the register says of a system whose data come as files: where they lie, when they are whole, and how they are written."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ingestion.register.api import HttpConnection
from ingestion.register.basics import EachMissing, Secret, Setting, Strict, TableBase, Text


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


Encoding = Literal["utf-8", "cp1252", "latin-1", "cp850"]
"""cp850: of DOS, and of what Windows calls OEM."""
TextEncoding = Encoding | Literal["utf-16", "utf-8-twice"]
"""utf-16: "Unicode" as Microsoft's programs call it. utf-8-twice: UTF-8 that somebody took for cp1252 and made UTF-8 of again,
so that `Ã¸` stands for `ø`."""


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


class S3Transport(Strict):
    """S3, or what speaks like it (MinIO, Ceph, Scality)."""

    type: Literal["s3"]
    bucket: Setting
    prefix: Text | None = None
    """Folder in the bucket."""
    access_key: Secret
    secret_key: Secret
    region: Text = "eu-north-1"
    endpoint: Setting | None = None
    """Address of a store that is not Amazon's: `https://s3.example.dk`."""


class AzureTransport(Strict):
    """Azure Blob Storage, by account key or shared access signature."""

    type: Literal["azure"]
    account: Setting
    container: Setting
    prefix: Text | None = None
    """Folder in the container."""
    account_key: Secret | None = None
    sas_token: Secret | None = None
    endpoint: Setting | None = None
    """Address of a store that is not Microsoft's (an emulator)."""

    @model_validator(mode="after")
    def _one(self) -> AzureTransport:
        if (self.account_key is None) == (self.sas_token is None):
            raise ValueError("give either `account_key` or `sas_token`")
        return self


class HttpTransport(HttpConnection):
    """Files behind web addresses, as in Datafordeler's file downloads. A file is loaded again when its size or time changes."""

    type: Literal["http"]
    files: Annotated[dict[Text, dict[Text, Text]], Field(min_length=1)]
    """Name for each file, which `glob` then finds, and the query parameters that ask for it."""
    query: dict[Text, Setting | Secret] = {}
    """Parameters that ask for every file, e.g. an `apiKey`."""


Transport = Annotated[LocalTransport | SftpTransport | S3Transport | AzureTransport | HttpTransport, Field(discriminator="type")]


class FilesConnection(Strict):
    protocol: Literal["files"]
    transport: Transport
    quiet_seconds: Annotated[int, Field(ge=0)] = 0
    """A file younger than this is taken as half-written and waits for the next load."""
    stable_seconds: Annotated[int, Field(ge=0, le=600)] = 0
    """Where the server's clock cannot be trusted: look again after so long; a file that has changed waits for the next load."""
    load_on_arrival: bool = False
    """Look at the folder every minute, and load the system as soon as a new delivery is whole, besides its cadence."""

    @model_validator(mode="after")
    def _arrival(self) -> FilesConnection:
        if self.load_on_arrival and isinstance(self.transport, HttpTransport):
            raise ValueError("behind a web address nothing arrives that could be listed. Leave out `load_on_arrival`")
        return self


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


_BESIDE = {"name": "fil.csv", "stem": "fil", "tail": "fil.csv"}


def _beside(template: str) -> str:
    try:
        template.format(**_BESIDE)
    except (KeyError, IndexError, ValueError):
        raise ValueError(
            f"'{template}' can hold {{name}}, {{stem}} (no extension) and {{tail}} (after the first _) alone"
        ) from None
    return template


Beside = Annotated[Text, AfterValidator(_beside)]
"""Name of a file in the same folder, made of the data file's: `{name}` its whole name, `{stem}` the name without extension,
`{tail}` what follows the first underscore."""


class Control(Strict):
    """A file beside the data that tells how many rows they have (SAP Open Hub: `S_{name}`). Until it is there, the data wait."""

    name: Beside
    rows: Text
    """Regular expression that finds the count in a group called `rows`. It must agree with what is read, or the table fails."""
    sums: dict[Text, Text] = {}
    """Column → regular expression that finds its sum in a group called `sum`, written as the column's values are."""
    encoding: Encoding = "utf-8"

    @model_validator(mode="after")
    def _rows(self) -> Control:
        _with_groups(self.rows, "rows")
        for pattern in self.sums.values():
            _with_groups(pattern, "sum")
        return self


PERIOD_FORMATS = {"day": "%Y%m%d", "month": "%Y%m", "year": "%Y"}


class Period(Strict):
    """Each file holds a period, which its name tells. So chosen periods can be read again, all of the others left alone."""

    group: Text
    """The group of `name_pattern` that holds the period."""
    every: Literal["day", "month", "year"]
    first: Text
    """The first period there is, as names write it: `202401`."""
    format: Text | None = None
    """How names write it, in strftime's way. By default `%Y%m%d`, `%Y%m` or `%Y`."""

    @property
    def written(self) -> str:
        return self.format or PERIOD_FORMATS[self.every]

    @model_validator(mode="after")
    def _first(self) -> Period:
        try:
            datetime.strptime(self.first, self.written)
        except ValueError:
            raise ValueError(
                f"first period '{self.first}' is not written as {self.written}. Correct `first` or `format`"
            ) from None
        return self


class SourceBase(Strict):
    """What all formats have in common."""

    glob: Text
    """Which files, by name. With `/` in it also those in folders below: `2026/*.csv`, or `**/*.csv` for any depth."""
    unpack: Unpack | None = None
    name_pattern: Text | None = None
    """Regular expression that must match the file's whole name (without folders); its named groups fill the columns of their
    names (a period, a version)."""
    period: Period | None = None
    """What the name says of the time that the file is about: makes a backfill job of the table."""
    modified_as: Text | None = None
    """Name of a column that gets the time of the file's last change (UTC, ISO 8601), where nothing else tells versions apart."""

    newest: bool = False
    """Each file is a whole snapshot, with its date in its name: of those that lie there, the one whose name sorts last is read
    alone."""

    companion: Beside | None = None
    """File that says that the data are whole, e.g. `{stem}.ok`: until it is there, and not older than they are, they wait."""
    control: Control | None = None
    archive: Text | None = None
    """Folder, below the drop, that files go to when their rows are published."""
    failed: Text | None = None
    """Folder, below the drop, that files go to when they could not be read. The load fails all the same."""

    @model_validator(mode="after")
    def _pattern(self) -> SourceBase:
        if self.name_pattern is not None:
            _with_groups(self.name_pattern, *([self.period.group] if self.period else []))
        elif self.period is not None:
            raise ValueError("`period` is found by `name_pattern`. Write one with a group of that name")
        return self

    def belonging(self) -> list[str]:
        """Names, as templates, of the files that must lie beside a file before it is read."""
        return [template for template in (self.companion, self.control.name if self.control else None) if template]

    def summed(self) -> list[str]:
        """Return the columns whose sum the delivery tells."""
        return list(self.control.sums) if self.control else []

    def of_the_file(self) -> set[str]:
        """Names of the columns that come from the file's name and time, not from its content."""
        groups = _with_groups(self.name_pattern).groupindex if self.name_pattern else {}
        return {*groups, *([self.modified_as] if self.modified_as else [])}


class CsvSource(SourceBase):
    """Delimited text with headings."""

    format: Literal["csv"]
    encoding: TextEncoding = "utf-8"
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ";"
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] = '"'
    header: bool = True
    """False: the first line is a record already, and fields come in the order in which the columns are declared."""
    preamble_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    """Lines above the headings (a title, the date of the extract), which are passed over."""
    preamble_begins: Text | None = None
    """Regular expression that the first of them begins with. Without headings it is needed: nothing else would tell that they are
    left out one day, and that records are passed over."""
    trailer_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    """Lines, blank ones not counted, below the last record, which are no records. Needs one of the next three, or a trailer that
    is left out one day would take the last record along."""
    trailer_begins: Text | None = None
    """Regular expression that the first of them begins with."""
    trailer_count: Text | None = None
    """Regular expression that finds, in the trailer lines, the number of records in a group called `rows`: it must agree."""
    trailer_sums: dict[Text, Text] = {}
    """Column → regular expression that finds, in the trailer lines, its sum in a group called `sum`, written as the column's
    values are: it must agree."""
    headings: Beside | None = None
    """File beside the data that names their general columns, as `Meta_{tail}` does for KMD Insight's `Data_` files: the general
    headings in its first line, their names in the second. Until it is there, the data wait."""
    titles: dict[Text, Text] = {}
    """Names for headings that are none by themselves: `{Tekst1: Henvisende skole}`."""
    excel_text: bool = False
    """Cells written as `="0012"`, so that Excel keeps their zeros, are unwrapped to 0012."""

    def belonging(self) -> list[str]:
        return [*super().belonging(), *([self.headings] if self.headings else [])]

    @model_validator(mode="after")
    def _trailer(self) -> CsvSource:
        told = self.trailer_begins is not None or self.trailer_count is not None or bool(self.trailer_sums)
        if told and not self.trailer_lines:
            raise ValueError(
                "`trailer_begins`, `trailer_count` and `trailer_sums` look in the trailer. Say how many `trailer_lines` there are"
            )
        if self.trailer_lines and not told:
            raise ValueError(
                "`trailer_lines` are known by nothing: left out one day, the last record would go with them. "
                "Add `trailer_begins`, `trailer_count` or `trailer_sums`"
            )
        if self.preamble_lines and not self.header and self.preamble_begins is None:
            raise ValueError(
                "`preamble_lines` above no headings are known by nothing: left out one day, the first record would go with them. "
                "Add `preamble_begins`"
            )
        for pattern in (self.preamble_begins, self.trailer_begins):
            _with_groups(pattern or "")
        if self.trailer_count is not None:
            _with_groups(self.trailer_count, "rows")
        for pattern in self.trailer_sums.values():
            _with_groups(pattern, "sum")
        return self

    def summed(self) -> list[str]:
        return [*super().summed(), *self.trailer_sums]


class ExcelSource(SourceBase):
    """Workbooks: xlsx, xls, ods."""

    format: Literal["excel"]
    sheet: Text
    """Name, or pattern; a pattern leaves hidden sheets out."""
    header_row: Annotated[int, Field(ge=1)] = 1
    """Row, from 1, that holds the headings; what stands above is a banner."""
    header_rows: Annotated[int, Field(ge=1, le=5)] = 1
    """Rows of headings. Those above one another are joined by a blank; an upper one counts for the empty cells to its right."""
    trailer_begins: Text | None = None
    """Regular expression that the row below the last record begins with, in its first filled cell: a sum (`I alt`). It and what
    is below it is passed over. A sheet without it fails the table: a sum that is called otherwise one day would be a record."""

    @model_validator(mode="after")
    def _trailer(self) -> ExcelSource:
        _with_groups(self.trailer_begins or "")
        return self


class XmlSource(SourceBase):
    format: Literal["xml"]
    record: Text
    """Element that makes a row, by its local name; `parent/name` where the name also stands elsewhere."""
    each: Text | None = None
    """Repeated children, by their path below the record, that make the rows instead. A column's path begins at the child and goes
    up with `..`: `../@id` is the record's own id."""
    each_missing: EachMissing = "fail"
    besides: list[Text] = []
    """Elements, by their local names, that a file without a single record may hold: a header. With anything else in it, and no
    record of any table of the system, a file is no empty delivery: its records may be called otherwise now."""


class JsonSource(SourceBase):
    """JSON: a document with a list of records, or a record on each line (JSON Lines)."""

    format: Literal["json"]
    lines: bool = False
    """A record on each line. A document is held in memory as a whole, lines are not."""
    records: Text = "$"
    """Dotted path of the list of records in a document."""
    each: Text | None = None
    """Dotted path, in each record, of the list of children that make the rows instead. `path: ^.id` is the record's own id."""
    each_missing: EachMissing = "fail"


class JsonStatSource(SourceBase):
    """JSON-stat 1 and 2, as statistical offices give out their tables: a row for each combination of the dimensions' codes.

    Columns are the dimensions by their names, `value`, and what is asked for besides: `<dimension>.label` (the text of a code)
    and `status`.
    """

    format: Literal["jsonstat"]


class ParquetSource(SourceBase):
    """Parquet, with its own types."""

    format: Literal["parquet"]


class FixedSource(SourceBase):
    """Fixed width with record types: a code of one length first on each line (CPR: three digits)."""

    format: Literal["fixed"]
    encoding: Encoding = "latin-1"
    record_type: Text
    header: Text = "000"
    trailer: Text = "999"
    trailer_count_at: tuple[int, int] | None = None
    """Position and length, in the trailer record, of the count of records between header and trailer."""
    trailer_sums_at: dict[Text, tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]] = {}
    """Column → position and length, in the trailer record, of its sum over the table's records, written as its values are."""

    def summed(self) -> list[str]:
        return [*super().summed(), *self.trailer_sums_at]

    @model_validator(mode="after")
    def _one_length(self) -> FixedSource:
        if {len(self.header), len(self.trailer)} != {len(self.record_type)}:
            raise ValueError("`record_type`, `header` and `trailer` are codes of one length: the first characters of each line")
        return self


FileSource = Annotated[
    CsvSource | ExcelSource | XmlSource | JsonSource | JsonStatSource | ParquetSource | FixedSource, Field(discriminator="format")
]


class FilesTable(TableBase):
    source: FileSource

    def content_names(self) -> dict[str, str]:
        """Source name → raw name of the columns that stand in the file itself."""
        made = self.source.of_the_file()
        return {name: raw for name, raw in self.raw_names().items() if name not in made}

    def summed(self) -> list[str]:
        return self.source.summed()

    @model_validator(mode="after")
    def _positions(self) -> FilesTable:
        if not isinstance(self.source, (XmlSource, JsonSource)):
            self.refuse_paths()
        fixed = isinstance(self.source, FixedSource)
        if self.source.archive and self.write == "replace":
            raise ValueError("`archive` takes files away that a snapshot is made of. Use `write: append` or `merge`")
        if self.source.period and self.write == "replace":
            raise ValueError(
                "with `write: replace` all files are read again anyhow. Leave out `period`, or use `append` or `merge`"
            )
        if self.source.newest and self.write != "replace":
            raise ValueError("`newest` passes over all files but one. Use it with `write: replace`")
        made = self.source.of_the_file()
        if missing := sorted(made - set(self.columns)):
            raise ValueError(f"column '{missing[0]}' comes from the file's name or time, but is not among the columns. Add it")
        wrong = [name for name, column in self.columns.items() if (column.at is not None) != (fixed and name not in made)]
        if wrong:
            raise ValueError(f"columns {', '.join(wrong)}: `at` is required for fixed width and for nothing else")
        return self
