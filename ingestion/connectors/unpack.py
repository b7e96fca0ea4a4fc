"""ZIP and gzip, with limits: an archive decides neither how much is written nor where."""

from __future__ import annotations

import gzip
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import IO
from unicodedata import normalize

from ingestion.connectors.base import SourceError
from ingestion.register.files import Unpack

_CHUNK = 1 << 20
_ASIDE = re.compile(r"(?:^|/)(?:\.|~\$|__MACOSX/)")
_UTF8_NAME = 0x800


def is_aside(name: str, glob: str) -> bool:
    """Whether programs laid `name` beside the files, and `glob` does not ask for it: what Excel has open (`~$x.xlsx`), what is
    still being copied, what macOS (`._x.csv`, `__MACOSX/`) and file servers (`.snapshot/`) know of a file.
    """
    return _ASIDE.search(name) is not None and _ASIDE.search(glob) is None


def unpacked(path: Path, name: str, unpack: Unpack | None) -> Iterator[tuple[Path, str]]:
    """Yield the file, or one after the other the files in it, with what `_source_ref` is to say of each.

    A file yielded is gone when the next is asked for. Members are called `archive.zip#member.csv`.
    """
    if unpack is None:
        yield path, name
        return
    try:
        if unpack.type == "gzip":
            with gzip.open(path) as packed:
                yield from _copied(packed, path, name, name, _Limit(path, name, unpack))
        else:
            yield from _members(path, name, unpack)
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as error:
        said = " ".join(str(error).split())
        raise SourceError(f"{name} is not a whole {unpack.type} file ({said}). Have it sent again") from None


class _Limit:
    """Counts what comes out of an archive."""

    def __init__(self, path: Path, name: str, unpack: Unpack) -> None:
        self._name = name
        self._packed = max(path.stat().st_size, 1)
        self._unpack = unpack
        self._out = 0

    def add(self, size: int) -> None:
        self._out += size
        if self._out > self._unpack.max_megabytes * 1_000_000:
            raise SourceError(
                f"{self._name} holds more than {self._unpack.max_megabytes} MB. Ask the vendor, or raise unpack.max_megabytes"
            )
        # Small files of blanks and zeros pack well without being a trick.
        if self._out > 10_000_000 and self._out > self._packed * self._unpack.max_ratio:
            raise SourceError(
                f"{self._name} holds over {self._unpack.max_ratio} times its own size. Ask the vendor, or raise unpack.max_ratio"
            )


def _members(path: Path, name: str, unpack: Unpack) -> Iterator[tuple[Path, str]]:
    with zipfile.ZipFile(path) as archive:
        entries = [(called, entry) for entry in archive.infolist() if not (called := _called(entry)).endswith("/")]
        if len(entries) > unpack.max_files:
            raise SourceError(f"{name} holds {len(entries)} files. Ask the vendor, or raise unpack.max_files")
        for called, entry in entries:
            _refuse_tricks(entry, called, name)
        glob = unpack.members
        wanted = [
            (called, entry)
            for called, entry in entries
            if fnmatchcase(called.lower(), glob.lower()) and not is_aside(called, glob)
        ]
        if not wanted:
            inside = ", ".join(called for called, _ in entries[:5]) or "it is empty"
            raise SourceError(f"{name} holds no file that matches {glob} ({inside}). Check unpack.members")
        limit = _Limit(path, name, unpack)
        for called, entry in sorted(wanted, key=itemgetter(0)):
            with archive.open(entry) as packed:
                yield from _copied(packed, path, name, f"{name}#{called}", limit)


def _called(entry: zipfile.ZipInfo) -> str:
    """Return the member's name. Where it does not say that it is UTF-8, macOS wrote that all the same, and Windows cp850; Python
    takes it for cp437, which has no ø.
    """
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAME:
        written = name.encode("cp437")
        try:
            name = written.decode()
        except UnicodeDecodeError:
            name = written.decode("cp850")
    return normalize("NFC", name).replace("\\", "/")


def _refuse_tricks(entry: zipfile.ZipInfo, called: str, name: str) -> None:
    inside = PurePosixPath(called)
    if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0] or stat.S_ISLNK(entry.external_attr >> 16):
        raise SourceError(f"{name} holds a file that points out of it ({called}). Ask the vendor before anything else")
    if entry.flag_bits & 0x1:
        raise SourceError(f"{name} is locked with a password. Have it sent without")


def _copied(packed: IO[bytes] | gzip.GzipFile, path: Path, name: str, ref: str, limit: _Limit) -> Iterator[tuple[Path, str]]:
    # Under a name of our own: the archive's names never become paths.
    target = path.with_name(f"{path.name}-unpacked-{len(list(path.parent.glob(f'{path.name}-unpacked-*'))):05}")
    with target.open("wb") as out:
        while chunk := packed.read(_CHUNK):
            limit.add(len(chunk))
            out.write(chunk)
    yield target, ref
    # Emptied but kept, so that the next gets another name: pieces made of this one are named after it.
    target.write_bytes(b"")
