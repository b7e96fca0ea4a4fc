"""What every register file says, whatever its protocol: references to secrets, owners, limits, columns, tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ingestion.naming import fold
from ingestion.register.vocabulary import terms


class Strict(BaseModel):
    """Base of all register models: unknown keys are errors, values are not changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _one_of(vocabulary: str) -> AfterValidator:
    def check(code: str) -> str:
        known = terms(vocabulary)
        if code not in known:
            raise ValueError(f"'{code}' is not in vocabulary/{vocabulary}.yml. Use one of: {', '.join(known)}")
        return code

    return AfterValidator(check)


def _enum(vocabulary: str) -> Any:
    return Field(json_schema_extra=lambda schema: schema.update(enum=list(terms(vocabulary))))


Department = Annotated[str, _one_of("departments"), _enum("departments")]
Cadence = Annotated[str, _one_of("cadences"), _enum("cadences")]
PiiClass = Annotated[str, _one_of("classifications"), _enum("classifications")]
Modifier = Annotated[str, _one_of("modifiers"), _enum("modifiers")]
LegalBasis = Annotated[str, _one_of("legal_bases"), _enum("legal_bases")]
Purpose = Annotated[str, _one_of("purposes"), _enum("purposes")]
KeyDomain = Annotated[str, _one_of("key_domains"), _enum("key_domains")]
ColumnType = Annotated[str, _one_of("types"), _enum("types")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
IsoDuration = Annotated[str, StringConstraints(pattern=r"^P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?$", min_length=3)]


class EnvRef(Strict):
    """A value that stands in an environment variable."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]


class FileRef(Strict):
    """A value that stands in a file of its own, as systemd credentials and container secrets do."""

    file: Text


Secret = EnvRef | FileRef
"""A secret is always a reference; a literal in the register is an error."""
Setting = Text | EnvRef | FileRef
"""What differs between installations (addresses, user names): a literal or a reference."""


class Contact(Strict):
    team: Text
    email: Email


class Freshness(Strict):
    """How old, in hours since the last successful load, a table may get before it warns and before it fails."""

    warn_after_hours: Annotated[int, Field(gt=0)]
    error_after_hours: Annotated[int, Field(gt=0)]
    delivery_after_hours: Annotated[int, Field(gt=0)] | None = None
    """Hours after which a delivery that brought rows must have been followed by another; else the owner is told that it is late.
    For files that somebody else puts there: a folder without news is read without a fault. Tables of one `glob` come by one
    delivery. Daily files: 20, monthly ones: 840."""


class Retention(Strict):
    """How long rows are kept: an ISO 8601 duration after an event, as in KL's deletion periods (KLE)."""

    period: IsoDuration
    after: Text


class Limits(Strict):
    """Politeness towards a system. Times in seconds."""

    timeout_seconds: Annotated[int, Field(gt=0, le=3600)] = 60
    """No answer for this long, and the request is given up."""
    table_seconds: Annotated[int, Field(gt=0, le=86_400)] = 3600
    """A table that takes longer than this is given up."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    connections: Annotated[int, Field(ge=1, le=16)] = 2
    """PostgreSQL: a large table that is replaced whole is read over so many connections at once."""
    requests_per_second: Annotated[float, Field(gt=0)] | None = None
    """HTTP: the most that the system allows."""
    max_calls_per_day: Annotated[int, Field(gt=0)] | None = None
    """HTTP: the most that the system allows on a Danish day. Counted for good, over all loads and previews; a call that fails
    counts, and is not tried again by itself."""
    calls_counted: Literal["together", "by_arguments"] = "together"
    """by_arguments: the limit holds for each address with its arguments, e.g. for each institution."""


class RowRange(Strict):
    """Rows expected in the table after a load: below `min` fails, above `max` warns."""

    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(gt=0)] | None = None


EachMissing = Literal["fail", "empty"]
"""What it means that not one record has the children that `each` looks for: that they are called otherwise now, or that there are
none."""


class Cursor(Strict):
    """The column by which a source tells what is new."""

    column: Text
    lag: IsoDuration | None = None
    """How far back to read again on every load, for rows that arrive late. Dates and timestamps only."""
    on_missing: Literal["include", "exclude", "reject"] = "reject"
    """What to do with a row whose cursor is empty."""
    param: Text | None = None
    """REST: the query parameter that takes the last value."""


class Column(Strict):
    """One column (or field, element, attribute) of a source table."""

    type: ColumnType
    label: Text
    """Danish heading."""
    description: Text
    """What it holds, with its unit where it has one (Danish)."""
    pii: PiiClass = "P0"
    key_domain: KeyDomain | None = None
    name: Identifier | None = None
    """Name in the warehouse; by default the source's name, folded."""
    path: Text | None = None
    """Where the value stands, if not under the column's own name: dotted for JSON (OData too); for XML XPath, `a/b/@c`, `../@id`
    or `.`. Of an object that a path leads into, what no path leads to is left out."""
    at: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    """Fixed width: first position (from 1) and length."""
    required: bool = False
    """An empty or unreadable value sends the whole row to quarantine."""
    earlier_cpr_of: Text | None = None
    """This CPR number was the person's before the one in the named column of the same row."""
    direct_identifier: bool = False
    """Names a person outright (name, street, phone, e-mail): stays in the raw zone."""
    free_text: bool = False
    """May hold anything, so it is treated as P3 and stays in the raw zone."""
    values: dict[str, Text] | None = None
    """Accepted values, as the source writes them, with Danish labels; any other value is quarantined."""
    blank: list[Text] = []
    """What a source writes where it means to tell nothing: `*` for few people, `..` for unknown. Read as empty: no fault."""


CURSOR_TYPES = ("date", "date_sap", "timestamp", "odata_date", "odata_timestamp", "iso_week", "integer")
"""Types whose values, as sources write them, can be put in order."""


SUM_TYPES = ("integer", "decimal", "decimal_dk", "decimal_sap")
"""Types that can be summed."""


class TableBase(Strict):
    title: Text
    description: Text
    key: Annotated[list[Text], Field(min_length=1)]
    """Columns that identify a row, by their source names."""
    cursor: Cursor | None = None
    write: Literal["replace", "merge", "append"]
    """replace: a full snapshot each time. merge: new and changed rows by key. append: files, each loaded once; a file that comes
    again changed replaces its own rows."""
    expected_rows: RowRange
    blocking: list[Literal["row_range", "contract", "rejects", "control_totals"]] = []
    """Checks that refuse a load, so that the table stays as it was: more rows than expected, a new column, a row that could not
    be read, a sum that is not what the source says. Too few rows, and fewer than the source counts, always do; a missing column
    does by `on_missing_column`."""
    on_missing_column: Literal["fail", "warn"] = "fail"
    on_retyped_column: Literal["fail", "warn"] = "fail"
    """A column with another type than is stored (databases and Parquet tell types). warn: what goes into the stored type
    unchanged is landed, the other rows are set aside."""
    on_deleted: Literal["remove", "keep"] = "remove"
    """keep: rows that are gone from the source are kept, with `_deleted_at` (UTC), in a raw table of their own,
    `<table>__deleted`. They are seen where a whole snapshot comes (`replace`) or where the source tells of them. Deletion in the
    source may be erasure: keep only what may be kept."""
    max_deleted_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Refuse a load in which more than this share of the rows is gone. By default 0.2 with `keep`, and no limit otherwise."""
    columns: Annotated[dict[Text, Column], Field(min_length=1)]

    @model_validator(mode="after")
    def _columns_fit(self) -> TableBase:
        problems = []
        for key in self.key:
            if key not in self.columns:
                problems.append(f"key '{key}' is not among the columns. Name a column, or add it")
        if self.cursor and self.cursor.column not in self.columns:
            problems.append(f"cursor '{self.cursor.column}' is not among the columns. Name a column, or add it")
        elif self.cursor and self.columns[self.cursor.column].type not in CURSOR_TYPES:
            problems.append(f"cursor '{self.cursor.column}' has a type that does not sort. Use one of {', '.join(CURSOR_TYPES)}")
        elif self.cursor and self.cursor.lag and self.columns[self.cursor.column].type == "integer":
            problems.append(f"`lag` is a time, and cursor '{self.cursor.column}' a number. Leave it out, or use a date")
        for attribute, named in (("raw", self.raw_names()), ("warehouse", self.warehouse_names())):
            seen: dict[str, str] = {}
            for source, name in named.items():
                if name in seen:
                    problems.append(
                        f"columns '{seen[name]}' and '{source}' both become '{name}' in the {attribute} table. "
                        + ("Give one of them another name in the source's extract" if attribute == "raw" else "Give one a `name`")
                    )
                seen[name] = source
        for source, column in self.columns.items():
            if column.earlier_cpr_of and column.earlier_cpr_of not in self.columns:
                problems.append(
                    f"column '{source}' is the earlier CPR of '{column.earlier_cpr_of}', which is not among the columns"
                )
            if column.type == "cpr" and (column.pii < "P2" or column.key_domain != "citizen"):
                problems.append(f"column '{source}' holds CPR numbers. Give it `pii: P2` (or higher) and `key_domain: citizen`")
        for name in self.summed():
            if name not in self.columns or self.columns[name].type not in SUM_TYPES:
                problems.append(f"'{name}' has a control total, but is no column of type {', '.join(SUM_TYPES)}")
        if "control_totals" in self.blocking and not self.summed():
            problems.append("`blocking: [control_totals]` needs a declared sum. Declare one in `source`, or leave it out")
        if self.write == "append" and self.allowed_deletions is not None:
            problems.append("`append` only ever adds. Leave out `on_deleted` and `max_deleted_share`")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def allowed_deletions(self) -> float | None:
        """The share of rows that may go in one load, or None if nobody looks."""
        if self.max_deleted_share is None and self.on_deleted == "keep":
            return 0.2
        return self.max_deleted_share

    def refuse_paths(self) -> None:
        """Raise ValueError if a column has a `path`, where the source has columns with names and nothing inside them."""
        if inside := [name for name, column in self.columns.items() if column.path]:
            raise ValueError(
                f"column '{inside[0]}': `path` is for JSON and XML. Call the column as the source does, and give it a `name`"
            )

    def summed(self) -> list[str]:
        """Return the columns whose sum the source tells, by their source names."""
        return []

    def raw_names(self) -> dict[str, str]:
        """Source name → column name in the raw file."""
        return {source: fold(source) for source in self.columns}

    def warehouse_names(self) -> dict[str, str]:
        """Source name → column name in staging."""
        return {source: column.name or fold(source) for source, column in self.columns.items()}
