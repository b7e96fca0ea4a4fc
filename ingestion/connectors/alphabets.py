"""The alphabet that delimited text is written in: what a file declares, held against what stands in it."""

from __future__ import annotations

import codecs
import re
import struct

from ingestion.connectors.base import DANISH_UTF8, SourceError, decoded

_DOUBLED_UTF8 = {letter.encode().decode("cp1252").encode(): letter for letter in "æøåÆØÅ"}
_LACKING = "\x81\x8d\x8f\x90\x9d"
_BETWEEN_LACKING = re.compile(f"([{_LACKING}])")


def utf8(data: bytes, encoding: str, line: int, ref: str) -> bytes:
    """Return whole lines in UTF-8, with bare line feeds. `data` begins with the line of that number.

    Raises:
        SourceError: it is not in `encoding`, or was made UTF-8 twice.
    """
    if b"\r" in data:
        # Two CR before the line feed: written as Windows ends a line, by a program that Windows then ended the lines of.
        data = data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").removesuffix(b"\r")
    if data.isascii():
        return data
    if encoding == "utf-8-twice":
        return once(data, line, ref)
    if encoding in ("utf-8", "utf-16"):
        if codecs.BOM_UTF8[:1] in data:  # A byte that hardly any text has is found absent in no time.
            # Where files were put together, each brought its mark along.
            data = data.removeprefix(codecs.BOM_UTF8).replace(b"\n" + codecs.BOM_UTF8, b"\n")
        _look_for_doubled(data, line, ref)
    elif b"\xc3" in data:
        found = min((at for at in map(data.find, DANISH_UTF8) if at >= 0), default=None)
        if found is not None:
            number = line + data.count(b"\n", 0, found)
            raise SourceError(
                f"{ref}:{number}: the file is UTF-8, not {encoding}. Set `encoding: utf-8`, or ask the vendor what changed"
            )
    if encoding in ("utf-8", "utf-16") and _is_utf8(data):
        return data
    try:
        text = decoded(data, encoding)
    except UnicodeDecodeError as error:
        number = line + data.count(b"\n", 0, error.start)
        hint = "Set `encoding: cp1252`" if encoding == "utf-8" else "Find the right `encoding`"
        raise SourceError(
            f"{ref}:{number}: byte 0x{data[error.start]:02x} is not {encoding}. {hint}, or ask the vendor what changed"
        ) from None
    return text.encode()


def _is_utf8(data: bytes) -> bool:
    """Arrow looks in a third of the time that it takes to decode."""
    import pyarrow as pa

    text = pa.Array.from_buffers(pa.large_string(), 1, [None, pa.py_buffer(struct.pack("<qq", 0, len(data))), pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _look_for_doubled(data: bytes, line: int, ref: str) -> None:
    """Refuse text in which no Danish letter is whole: a single spoilt name among sound ones is the source's own."""
    # In this order: a whole letter is found at once where there are any.
    if any(letter in data for letter in DANISH_UTF8) or b"\xc3\x83" not in data:
        return
    found = min(((data.find(spoilt), letter) for spoilt, letter in _DOUBLED_UTF8.items() if spoilt in data), default=None)
    if found is None:
        return
    at, letter = found
    number, spoilt = line + data.count(b"\n", 0, at), letter.encode().decode("cp1252")
    raise SourceError(
        f"{ref}:{number}: '{spoilt}' stands for '{letter}', so the text was made UTF-8 twice. Have it sent again, or set"
        " `encoding: utf-8-twice`"
    )


def once(data: bytes, line: int, ref: str) -> bytes:
    """Undo the second of two conversions to UTF-8. `data` begins with the line of that number."""
    try:
        return _undone(data).removeprefix(codecs.BOM_UTF8)
    except UnicodeError:
        for number, each in enumerate(data.split(b"\n"), start=line):
            try:
                _undone(each)
            except UnicodeError:
                raise SourceError(
                    f"{ref}:{number}: is not UTF-8 made twice. Set `encoding: utf-8`, or ask the vendor what changed"
                ) from None
        raise


def _undone(data: bytes) -> bytes:
    # Five bytes that cp1252 has no letter for went through the first conversion as control characters.
    parts = _BETWEEN_LACKING.split(data.decode())
    undone = b"".join(part.encode("latin-1" if part in _LACKING else "cp1252") for part in parts)
    undone.decode()
    return undone
