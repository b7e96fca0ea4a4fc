"""The careful way through delimited text: record by record, for the parts of a file that a plain reader could misread.

It counts separators, joins the lines of quoted fields, sets broken lines aside and writes each sound record, with its line
number in front, to a UTF-8 file that DuckDB cannot misread. Lines whose quotes are in order are handled in bulk.
"""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass, field
from typing import IO, Any

from ingestion.connectors.base import ReadContext
from ingestion.register.files import CsvSource

_BLOCK = 1000
"""Lines that are tried at once."""
_CR = "\0"
"""Stands for a bare CR while a record is taken apart. A record with a NUL of its own is rejected before that."""
_LONGEST_RECORD = 100
"""Lines that one quoted field may span. Beyond it, the opening quote is taken for a stray one."""


def fields(record: str, source: CsvSource) -> list[str]:
    """Return the fields of one record."""
    # Python stops at fields of 131,072 characters, which a note or a picture has; and takes a bare CR for the record's end.
    csv.field_size_limit(max(csv.field_size_limit(), len(record)))
    reader = csv.reader([record.replace("\r", _CR)], delimiter=source.separator, quotechar=source.quote)
    return [value.replace(_CR, "\r") for value in next(reader, [])]


def unclosed(record: str, source: CsvSource) -> bool:
    """Whether a quote opens a field that does not end on these lines."""
    if source.quote not in record:
        return False
    quoted, opening = _patterns(source.separator, source.quote)
    return opening.search(quoted.sub("", record)) is not None


@functools.cache
def _patterns(separator: str, quote: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    separator, quote = re.escape(separator), re.escape(quote)
    whole = rf"(?:(?<=^)|(?<={separator})){quote}(?:[^{quote}]|{quote}{quote})*{quote}(?=$|{separator})"
    return re.compile(whole), re.compile(rf"(?:^|{separator}){quote}")


@dataclass
class Records:
    """The pass over the lines: what is sound goes to `target`, what isn't to the context's rejects."""

    source: CsvSource
    ref: str
    context: ReadContext
    target: IO[str]
    width: int
    """Fields that a sound record has."""
    heading: str | None = None
    """The line of the headings. Where it comes again, it is no record."""
    good: int = 0
    records: int = 0
    """Everything that is a record, sound or not."""
    _open: list[str] = field(default_factory=list)
    """Lines of a record whose quoted field has not been closed yet."""
    _open_at: int = 0

    @property
    def inside_a_record(self) -> bool:
        """The last lines taken may belong together with those that follow."""
        return bool(self._open)

    @property
    def full(self) -> bool:
        return self.context.limit is not None and self.good >= self.context.limit

    def take(self, first: int, lines: list[str]) -> None:
        """Go through `lines`, of which the first has the number `first`."""
        # In blocks, so that one strange line takes only its neighbours off the bulk.
        for start in range(0, len(lines), _BLOCK):
            number, block = first + start, lines[start : start + _BLOCK]
            if self._open:
                number, block = number - len(self._open), self._open + block
                self._open = []
            if self.full:
                return
            odd = self.context.limit is not None or self.heading in block
            if odd or not (self._plain(number, block) or self._regular(number, block)):
                self._one_by_one(number, block, last=False)

    def finish(self) -> None:
        """No more lines: a record still open now is never closed."""
        lines, self._open = self._open, []
        self._one_by_one(self._open_at, lines, last=True)

    def _plain(self, first: int, lines: list[str]) -> bool:
        """Write `lines` as they are if each is a record without quotes."""
        separator, joined = self.source.separator, "\n".join(lines)
        if self.source.quote in joined or "\r" in joined or "\0" in joined or self.width == 1:
            return False
        if [line.count(separator) for line in lines].count(self.width - 1) != len(lines):
            return False
        self.target.writelines([f"{number}{separator}{line}\n" for number, line in enumerate(lines, first)])
        self._count(len(lines))
        return True

    def _regular(self, first: int, lines: list[str]) -> bool:
        """Write `lines` anew if each is a record with its quotes in order, as where every field is quoted."""
        dialect: Any = {"delimiter": self.source.separator, "quotechar": self.source.quote, "strict": True}
        try:
            records = list(csv.reader(lines, **dialect))
        except csv.Error:
            return False
        if [len(record) for record in records].count(self.width) != len(lines) or any("\0" in line for line in lines):
            return False
        numbered = ([str(number), *record] for number, record in enumerate(records, first))
        csv.writer(self.target, lineterminator="\n", **dialect).writerows(numbered)
        self._count(len(lines))
        return True

    def _count(self, good: int) -> None:
        self.good += good
        self.records += good

    def _one_by_one(self, first: int, lines: list[str], last: bool) -> None:
        at = 0
        while at < len(lines) and not self.full:
            number, record, taken = first + at, lines[at], 1
            while unclosed(record, self.source) and taken < _LONGEST_RECORD and at + taken < len(lines):
                record += "\n" + lines[at + taken]
                taken += 1
            if unclosed(record, self.source):
                if not last and taken < _LONGEST_RECORD:
                    self._open, self._open_at = lines[at:], number
                    return
                # A stray quote must not swallow the lines that follow.
                self._reject(number, "anførselstegn uden afslutning", lines[at])
                taken = 1
            elif record.strip():
                self._record(number, record)
            at += taken

    def _record(self, number: int, record: str) -> None:
        separator, quote = self.source.separator, self.source.quote
        if "\0" in record:
            self._reject(number, "NUL-tegn i linjen", record.replace("\0", "␀"))
            return
        if record == self.heading:
            self._reject(number, "overskrifterne igen", record)
            return
        values = fields(record, self.source) if quote in record else record.split(separator)
        if len(values) != self.width:
            many = "for mange" if len(values) > self.width else "for få"
            self._reject(number, f"{many} felter: {len(values)} i stedet for {self.width}", record)
            return
        if quote in record or "\r" in record:
            # Quotes as DuckDB expects them, whatever the source's habits; a bare CR would end the line.
            record = separator.join(f"{quote}{value.replace(quote, quote * 2)}{quote}" for value in values)
        self.target.write(f"{number}{separator}{record}\n")
        self._count(1)

    def _reject(self, number: int, reason: str, record: str) -> None:
        self.context.reject(self.ref, number, reason, record)
        self.records += 1
