"""Files in a drop folder: which are new and whole, fetched, read by the module of their format, and put away when published."""

from __future__ import annotations

import hashlib
import importlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from ingestion.connectors import csv_records, duck, totals
from ingestion.connectors.alphabets import once
from ingestion.connectors.base import SOURCE_REF, SOURCE_ROW, ReadContext, SourceError, decoded, file_ref
from ingestion.connectors.folders import Folder, Listed, opened
from ingestion.connectors.unpack import is_aside, unpacked
from ingestion.cpr import masked
from ingestion.danish_time import written
from ingestion.register.files import CsvSource, FilesTable, JsonSource, XmlSource
from ingestion.register.model import FilesSystem

if TYPE_CHECKING:
    import pyarrow as pa

    from ingestion.connectors.duck import Scan

_CHUNK = 1 << 20
_LOOK_SECONDS = 5
"""Between two looks at files whose time tells nothing."""
_FEW = 10
"""Records: as many that all lack their key are no slips of somebody's pen."""


def read(system: FilesSystem, table_name: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table | Scan]:
    """Yield new and changed files in the order of their names; for a table that is replaced, all of them if any is new.

    Nothing at all is yielded, and `context.files_loaded` stays empty, when nothing is new.
    """
    parse = importlib.import_module(f"ingestion.connectors.{table.source.format}").parse
    others = (other.source for other in system.tables.values())
    context.beside = {other.record.rpartition("/")[2] for other in others if isinstance(other, XmlSource)}
    with opened(system) as folder, ThreadPoolExecutor(1) as beside:
        if context.files_taken:
            folder = _WithArchived(folder, system, table, context.files_taken)
        for listed in _due(folder, system, table, context):
            path = _fetch(folder, listed, context)
            fingerprint = beside.submit(_fingerprint, path, listed)
            seen = context.files_seen.get(listed.name)
            try:
                # Of a snapshot all files are read, so nobody waits to know.
                if table.write != "replace" and seen is not None and _same_content(fingerprint.result(), seen):
                    context.files_touched[listed.name] = fingerprint.result()
                    continue
                yield from _parsed(parse, folder, path, listed, table, context)
                _refuse_changed(folder, path, listed)
            except (SourceError, OSError) as error:
                _refuse_changed(folder, path, listed)  # Which is then what went wrong.
                if isinstance(error, SourceError):
                    context.failed_files[listed.name] = fingerprint.result()
                    error.args = (f"{error}{_handle(listed)}",)
                raise
            finally:
                wait([fingerprint])
                path.unlink(missing_ok=True)
            context.files_loaded[listed.name] = fingerprint.result()
            if context.limit is not None:
                return  # A preview needs no more than one file.


def _handle(listed: Listed) -> str:
    """Return what a message says of a file whose name it will not show in full: `271126_0830` may be a date and a time, or a
    CPR number.
    """
    if masked(listed.name) == listed.name:
        return ""
    delivered = f"of {written(datetime.fromtimestamp(listed.modified, UTC))}, " if listed.modified else ""
    return f" (the file {delivered}{listed.size} bytes)"


def _parsed(
    parse: Callable[..., Iterator[pa.Table | Scan]],
    folder: Folder,
    path: Path,
    listed: Listed,
    table: FilesTable,
    context: ReadContext,
) -> Iterator[pa.Table | Scan]:
    """Yield what is in the file, and hold it against the count in its control file."""
    made = _of_the_file(listed, table)
    names = _names_beside(folder, listed, table)
    before, rejects, rows = context.source_rows or 0, context.rejects, 0
    keys = {name: raw for name, raw in table.content_names().items() if name in table.key}
    for part, ref in unpacked(path, file_ref(listed.name), table.source.unpack):
        came: set[str] = set()
        context.refs.add(ref)
        for batch in parse(part, ref, names, context):
            if not came:
                batch = _with_key(batch, keys, table)
            rows += batch.rows if isinstance(batch, duck.Scan) else batch.num_rows
            came.update(batch.columns if isinstance(batch, duck.Scan) else batch.column_names)
            yield _with_columns(_without_unused(batch, names, context), made)
        if came:  # Where there are no headings a record may lack what others have, but not all of them the key.
            context.headed(ref, came, keys)
    control = table.source.control
    if control is None or context.limit is not None:
        return
    beside = _beside(control.name, listed.name)
    text = _text(folder, beside, control.encoding)
    found = re.search(control.rows, text)
    if found is None:
        raise SourceError(f"{beside} tells no count where control.rows looks for it. Correct control.rows, or ask what changed")
    given = rows + context.rejects - rejects
    if totals.count(found["rows"], beside) != given:
        raise SourceError(f"{beside} counts {found['rows']}, {listed.name} has {given}. Have both sent again")
    context.source_rows = before + given
    totals.found(control.sums, text, beside, table, context)


def _with_key(batch: pa.Table | Scan, keys: Mapping[str, str], table: FilesTable) -> pa.Table | Scan:
    """Return a file's first records with their key, though none of them has it, where that may be the records' own fault.

    So it is where they are few, as a night's changes are, and have nothing that nobody declared: they are set aside. Otherwise
    the key is called by another name now; and in place of a whole table such rows are never taken.
    """
    if table.write == "replace" or not isinstance(table.source, (XmlSource, JsonSource)) or isinstance(batch, duck.Scan):
        return batch
    if batch.num_rows >= _FEW or not set(batch.column_names) <= {*table.raw_names().values(), SOURCE_REF, SOURCE_ROW}:
        return batch
    import pyarrow as pa

    for raw in keys.values():
        if raw not in batch.column_names:
            batch = batch.append_column(raw, pa.nulls(batch.num_rows, pa.string()))
    return batch


def _beside(template: str, name: str) -> str:
    """Return the name of the file that belongs to `name`, in the same folder."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + template.format(name=base, stem=base.rpartition(".")[0] or base, tail=base.partition("_")[2])


def _text(folder: Folder, name: str, encoding: str) -> str:
    """Return a small file's content."""
    with folder.open(name) as file:
        content: bytes = file.read(_CHUNK)
    try:
        if encoding == "utf-8-twice":
            return once(content, 1, name).decode("utf-8-sig")
        return decoded(content, "utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise SourceError(f"{name}: byte 0x{content[error.start]:02x} is not {encoding}. Ask the vendor what changed") from None


def _names_beside(folder: Folder, listed: Listed, table: FilesTable) -> FilesTable:
    """Return the table with its headings taken from the file beside, where there is one."""
    source = table.source
    if not isinstance(source, CsvSource) or source.headings is None:
        return table
    beside = _beside(source.headings, listed.name)
    lines = [line for line in _text(folder, beside, source.encoding).splitlines() if line.strip()]
    if len(lines) < 2:
        raise SourceError(f"{beside} has not two lines, the general headings and their names. Have it sent again")
    general, named = (csv_records.fields(line, source) for line in lines[:2])
    titles = {place.strip(): name.strip() for place, name in zip(general, named, strict=False) if name.strip()}
    return table.model_copy(update={"source": source.model_copy(update={"titles": source.titles | titles})})


def _without_unused(batch: pa.Table | Scan, table: FilesTable, context: ReadContext) -> pa.Table | Scan:
    """Leave out the general columns of a template that this delivery makes no use of: undeclared, and nothing stands in them."""
    source = table.source
    if not isinstance(source, CsvSource) or source.headings is None or not isinstance(batch, duck.Scan):
        return batch
    known = {*table.raw_names().values(), "_dlt_load_id", SOURCE_REF, SOURCE_ROW}
    return batch.without_empty(set(batch.columns) - known, context)


def _of_the_file(listed: Listed, table: FilesTable) -> dict[str, str | None]:
    """Raw name → value of the columns that the file's name and time fill."""
    source, raw = table.source, table.raw_names()
    made: dict[str, str | None] = {}
    if source.name_pattern is not None:
        found = re.fullmatch(source.name_pattern, _composed(listed.name).rpartition("/")[2])
        if found is None:
            raise SourceError(f"{listed.name} is not named as `name_pattern` says. Correct the pattern, or ask what changed")
        made = {raw[name]: value for name, value in found.groupdict().items()}
    if source.modified_as is not None:
        made[raw[source.modified_as]] = datetime.fromtimestamp(int(listed.modified), UTC).isoformat()
    return made


def _with_columns(batch: pa.Table | Scan, made: dict[str, str | None]) -> pa.Table | Scan:
    if not made:
        return batch
    if isinstance(batch, duck.Scan):
        return batch.with_texts(made)
    import pyarrow as pa

    for name, value in made.items():
        if name in batch.column_names:
            batch = batch.drop_columns([name])
        batch = batch.append_column(name, pa.repeat(pa.scalar(value, pa.string()), batch.num_rows))
    return batch


def _due(folder: Folder, system: FilesSystem, table: FilesTable, context: ReadContext) -> list[Listed]:
    """The files to read now, by name."""
    present = sorted(folder.list(deep="/" in table.source.glob), key=lambda listed: listed.name)
    found = [listed for listed in _delivered(present, system, table) if _is_of(context.period, listed, table)]
    if not found and context.period is not None:
        raise SourceError(
            f"no file of {context.period} in {folder.place} matches {table.source.glob}. Its rows stay; have it delivered again"
        )
    if not found and not context.files_seen:
        beside = ", ".join(listed.name for listed in present[:5]) or "the folder is empty"
        raise SourceError(
            f"no file in {folder.place} matches {table.source.glob} ({beside}). Check the glob, or ask for the delivery"
        )
    if table.source.newest:
        found = found[-1:]
    settled = _settled(folder, found, present, system, table)
    # Where no time is told, only the content can say.
    new = [
        listed
        for listed in settled
        if not listed.modified or not context.files_seen.get(listed.name, "").startswith(f"{listed.stamp}:")
    ]
    if table.write != "replace":
        return new
    # A snapshot without the file that is being written just now would lose that file's rows until the next load.
    return settled if new and len(settled) == len(found) else []


class _WithArchived(Folder):
    """A folder in which the files that were put away in its archive still lie under their names, as they were last taken."""

    def __init__(self, folder: Folder, system: FilesSystem, table: FilesTable, taken: Mapping[str, str]) -> None:
        self._folder, self.place = folder, folder.place
        archives = {source.archive for source in (other.source for other in system.tables.values()) if source.archive}
        present = folder.list(deep=True) if archives else []
        lying = {listed.name for listed in present}
        by_rest: dict[str, Listed] = {}
        for listed in sorted(present, key=lambda listed: listed.name):
            archive, _, name = listed.name.rpartition("/")
            if archive in archives:
                by_rest[name.partition("_")[2]] = listed
        self._away: dict[str, Listed] = {}
        for name, fingerprint in taken.items():
            for belonging in (name, *(_beside(template, name) for template in table.source.belonging())):
                put = by_rest.get(_archived(belonging, fingerprint))
                if put is not None and name not in lying:
                    self._away[belonging] = put

    def list(self, deep: bool) -> list[Listed]:
        return [*self._folder.list(deep), *(replace(put, name=name) for name, put in self._away.items())]

    def stat(self, name: str) -> Listed:
        return replace(self._folder.stat(self._away[name].name), name=name) if name in self._away else self._folder.stat(name)

    def open(self, name: str) -> AbstractContextManager[Any]:
        return self._folder.open(self._lying(name))

    def fetch(self, name: str, target: Path) -> None:
        self._folder.fetch(self._lying(name), target)

    def move(self, name: str, target: str) -> None:
        self._folder.move(name, target)

    def _lying(self, name: str) -> str:
        return self._away[name].name if name in self._away else name


def _archived(name: str, fingerprint: str) -> str:
    """Return what a file is called in the archive, after its time: a part of its content's digest, and its name."""
    return f"{fingerprint.rpartition(':')[2][:8]}_{name.replace('/', '_')}"


def _is_of(period: str | None, listed: Listed, table: FilesTable) -> bool:
    source = table.source
    if period is None or source.period is None or source.name_pattern is None:
        return True
    found = re.fullmatch(source.name_pattern, _composed(listed.name).rpartition("/")[2])
    return found is not None and found[source.period.group] == period


def _delivered(present: list[Listed], system: FilesSystem, table: FilesTable) -> list[Listed]:
    """Those that are the table's, and have not been put away."""
    wanted = _matcher(table.source.glob)
    sources = [other.source for other in system.tables.values()]
    away = tuple(f"{place}/" for source in sources for place in (source.archive, source.failed) if place)
    return [listed for listed in present if wanted(listed.name) and not (away and listed.name.startswith(away))]


def arrived(system: FilesSystem) -> list[Listed]:
    """Return the deliveries that lie in the system's folder and are whole, by name, without opening any.

    Raises:
        SourceError: the folder cannot be listed.
    """
    tables = list(system.tables.values())
    with opened(system) as folder:
        present = folder.list(deep=any("/" in table.source.glob for table in tables))
        # Whoever asks comes back; the load itself looks twice.
        whole = {
            listed
            for table in tables
            for listed in _settled(folder, _delivered(present, system, table), present, system, table, look_twice=False)
        }
    return sorted(whole, key=lambda listed: listed.name)


def _settled(
    folder: Folder, found: list[Listed], present: list[Listed], system: FilesSystem, table: FilesTable, *, look_twice: bool = True
) -> list[Listed]:
    """Those that are whole, as far as can be told: old enough, of the same size on a second look, with what belongs to them."""
    connection, needed, now = system.connection, table.source.belonging(), time.time()
    times = {listed.name: listed.modified for listed in present}
    companion = table.source.companion

    def is_complete(listed: Listed) -> bool:
        # What says that a file is whole comes after it: one that is older is of an earlier file of that name.
        said = listed.modified if companion is None else times.get(_beside(companion, listed.name), -1.0)
        return said >= listed.modified and all(_beside(template, listed.name) in times for template in needed)

    quiet, look_after = connection.quiet_seconds, connection.stable_seconds
    # By a clock that is hours ahead of ours a file is never old enough, and would wait until we get there.
    complete = [listed for listed in found if abs(now - listed.modified) >= quiet and is_complete(listed)]
    if any(listed.modified > now for listed in complete):
        look_after = look_after or min(quiet, _LOOK_SECONDS)
    if not look_twice or not look_after or not complete:
        return complete
    time.sleep(look_after)
    return [listed for listed in complete if folder.stat(listed.name) == listed]


def _matcher(glob: str) -> Callable[[str], bool]:
    """Return whether a name matches: as in a shell, `*` stops at a folder's border, `**/` stands for any number of folders, and
    what is hidden must be asked for; as in Windows, capitals and small letters are the same.
    """
    steps = [step for step in re.split(r"(\*\*/)", _composed(glob)) if step]
    parts = ["(?:.*/)?" if step == "**/" else translate(step).replace(".*", "[^/]*")[4:-3] for step in steps]
    pattern = re.compile("(?si:" + "".join(parts) + ")")
    return lambda name: pattern.fullmatch(_composed(name)) is not None and not is_aside(name, glob)


def _composed(name: str) -> str:
    """Return the name as the register writes it: what comes from a Mac has å as two characters, an a and its ring."""
    return normalize("NFC", name)


def _fetch(folder: Folder, listed: Listed, context: ReadContext) -> Path:
    """Have the file in the load's folder, under a name of our own."""
    target = context.workdir / f"fetched-{len(context.files_loaded):05}"
    folder.fetch(listed.name, target)
    if folder.stat(listed.name).stamp != listed.stamp or target.stat().st_size != listed.size:
        raise _changed(listed)
    return target


def _refuse_changed(folder: Folder, path: Path, listed: Listed) -> None:
    """Raise if the file is read where it lies, and is not what it was."""
    if not path.is_symlink():
        return
    with suppress(FileNotFoundError):
        if folder.stat(listed.name).stamp == listed.stamp:
            return
    raise _changed(listed) from None


def _changed(listed: Listed) -> SourceError:
    return SourceError(f"{listed.name} changed while it was read. Load again later, or raise connection.quiet_seconds")


def _fingerprint(path: Path, listed: Listed) -> str:
    """Return what tells the file from any other: its stamp and its content's SHA-256, for which it is read whole."""
    with path.open("rb") as file:
        return f"{listed.stamp}:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _same_content(fingerprint: str, seen: str) -> bool:
    """Touched, but not changed."""
    return seen.rpartition(":")[2] == fingerprint.rpartition(":")[2]


def put_away(system: FilesSystem, seen: Mapping[str, Mapping[str, str]], failed: Mapping[str, Mapping[str, str]]) -> None:
    """Move files whose rows are published to the archive, and those that could not be read to the folder for them.

    `seen` and `failed` hold, by table, file name → fingerprint. Called after a load is published, so that a file is never away
    without its rows; one left behind by a killed load is known by its fingerprint and moved by the next. A file that several
    tables read goes when all of them have it. Files that have changed in the meantime stay.

    Raises:
        SourceError: some could not be moved.
    """
    tables = {name: (_matcher(table.source.glob), table.source) for name, table in system.tables.items()}
    if not any(source.archive or source.failed for _, source in tables.values()):
        return
    with opened(system) as folder:
        present = {listed.name: listed for listed in folder.list(deep=any("/" in source.glob for _, source in tables.values()))}
        left: list[str] = []
        for name, listed in present.items():
            readers = [table for table, (wanted, _) in tables.items() if wanted(name)]
            done = [table for table in readers if seen.get(table, {}).get(name, "").startswith(f"{listed.stamp}:")]
            broken = [table for table in readers if failed.get(table, {}).get(name, "").startswith(f"{listed.stamp}:")]
            if not readers or len({*done, *broken}) < len(readers):
                continue
            sources = [tables[table][1] for table in (broken or done)]
            target = sources[0].failed if broken else sources[0].archive
            if target is None or name.startswith(f"{target}/"):
                continue
            known = failed[broken[0]] if broken else seen[done[0]]
            beside = {_beside(template, name) for source in sources for template in source.belonging()}
            belonging = sorted(beside & present.keys())
            # Killed in between, the next load goes on: it knows a published file without what lies beside it, which goes first.
            # One that could not be read would wait there for just that.
            for moved in (name, *belonging) if broken else (*belonging, name):
                # With its time and a part of its content's digest: a corrected file of the same name, also of the same second,
                # must not take the place of the first.
                stamp = datetime.fromtimestamp(present[moved].modified, UTC).strftime("%Y%m%dT%H%M%SZ")
                try:
                    folder.move(moved, f"{target}/{stamp}_{_archived(moved, known[name])}")
                except OSError as error:
                    left.append(f"{moved}: {error.strerror or error}")  # Open somewhere, say; the others can be moved.
                    break
    if left:
        raise SourceError(
            f"{len(left)} files cannot be moved ({'; '.join(left[:3])}). Close them, or give the right to move files"
        )
