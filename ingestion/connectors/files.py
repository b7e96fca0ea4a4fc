"""Files in a drop folder, local or by SFTP: which are new, fetched whole, then read by the module of their format."""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import io
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import translate
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ingestion.connectors import duck
from ingestion.connectors.base import ReadContext, SourceError
from ingestion.connectors.unpack import unpacked
from ingestion.register.basics import Limits
from ingestion.register.files import FilesTable, LocalTransport, SftpTransport
from ingestion.register.model import FilesSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import paramiko
    import pyarrow as pa

    from ingestion.connectors.duck import Scan

_CHUNK = 1 << 20
_DEPTH = 10
"""Folders in folders that are looked into."""


@dataclass(frozen=True)
class Listed:
    """A file as its folder lists it: size in bytes, time of last change in seconds since 1970."""

    name: str
    size: int
    modified: int

    @property
    def stamp(self) -> str:
        return f"{self.size}:{self.modified}"


class Folder(Protocol):
    """Where the files lie."""

    place: str

    def list(self, deep: bool) -> list[Listed]:
        """Return the files; if `deep` also those in folders below, named by their path."""
        ...

    def stat(self, name: str) -> Listed: ...

    def open(self, name: str) -> AbstractContextManager[Any]: ...


def read(system: FilesSystem, table_name: str, table: FilesTable, context: ReadContext) -> Iterator[pa.Table | Scan]:
    """Yield new and changed files in the order of their names; for a table that is replaced, all of them if any is new.

    Nothing at all is yielded, and `context.files_loaded` stays empty, when nothing is new.
    """
    parse = importlib.import_module(f"ingestion.connectors.{table.source.format}").parse
    with _opened(system) as folder:
        for listed in _due(folder, system, table, context):
            path, fingerprint = _fetch(folder, listed, context)
            try:
                if _same_content(fingerprint, context.files_seen.get(listed.name)) and table.write != "replace":
                    continue
                made = _of_the_file(listed, table)
                for part, ref in unpacked(path, listed.name, table.source.unpack):
                    for batch in parse(part, ref, table, context):
                        yield _with_columns(batch, made)
            finally:
                path.unlink(missing_ok=True)
            context.files_loaded[listed.name] = fingerprint
            if context.limit is not None:
                return  # A preview needs no more than one file.


def _of_the_file(listed: Listed, table: FilesTable) -> dict[str, str | None]:
    """Raw name → value of the columns that the file's name and time fill."""
    source, raw = table.source, table.raw_names()
    made: dict[str, str | None] = {}
    if source.name_pattern is not None:
        found = re.fullmatch(source.name_pattern, listed.name.rpartition("/")[2])
        if found is None:
            raise SourceError(f"{listed.name} is not named as `name_pattern` says. Correct the pattern, or ask what changed")
        made = {raw[name]: value for name, value in found.groupdict().items()}
    if source.modified_as is not None:
        made[raw[source.modified_as]] = datetime.fromtimestamp(listed.modified, UTC).isoformat()
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
    wanted = _matcher(table.source.glob)
    present = sorted(folder.list(deep="/" in table.source.glob), key=lambda listed: listed.name)
    found = [listed for listed in present if wanted(listed.name)]
    if not found and not context.files_seen:
        beside = ", ".join(listed.name for listed in present[:5]) or "the folder is empty"
        raise SourceError(
            f"no file in {folder.place} matches {table.source.glob} ({beside}). Check the glob, or ask for the delivery"
        )
    settled = [listed for listed in found if time.time() - listed.modified >= system.connection.quiet_seconds]
    new = [listed for listed in settled if not context.files_seen.get(listed.name, "").startswith(f"{listed.stamp}:")]
    if table.write != "replace":
        return new
    # A snapshot without the file that is being written just now would lose that file's rows until the next load.
    return settled if new and len(settled) == len(found) else []


def _matcher(glob: str) -> Callable[[str], bool]:
    """Return whether a name matches: as in a shell, `*` stops at a folder's border and `**/` stands for any number of folders."""
    steps = [step for step in re.split(r"(\*\*/)", glob) if step]
    parts = ["(?:.*/)?" if step == "**/" else translate(step).replace(".*", "[^/]*")[4:-3] for step in steps]
    return lambda name: re.fullmatch("(?s:" + "".join(parts) + ")", name) is not None


def _fetch(folder: Folder, listed: Listed, context: ReadContext) -> tuple[Path, str]:
    """Copy the file into the load's folder, under a name of our own; return its path and fingerprint."""
    target = context.workdir / f"fetched-{len(context.files_loaded):05}"
    digest = hashlib.sha256()
    with folder.open(listed.name) as source, target.open("wb") as copy:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    if folder.stat(listed.name).stamp != listed.stamp or target.stat().st_size != listed.size:
        raise SourceError(f"{listed.name} changed while it was read. Load again later, or raise connection.quiet_seconds")
    return target, f"{listed.stamp}:{digest.hexdigest()}"


def _same_content(fingerprint: str, seen: str | None) -> bool:
    """Touched, but not changed."""
    return seen is not None and seen.rpartition(":")[2] == fingerprint.rpartition(":")[2]


@contextmanager
def _opened(system: FilesSystem) -> Iterator[Folder]:
    transport = system.connection.transport
    if isinstance(transport, LocalTransport):
        try:
            yield _Local(Path(resolve(transport.folder)))
        except PermissionError as error:
            raise SourceError(f"no right to read {error.filename}. Give the service's user read access") from None
        except FileNotFoundError as error:
            raise SourceError(f"{error.filename} is not there. Check transport.folder and that the share is mounted") from None
    else:
        with _sftp(transport, system.limits) as folder:
            yield folder


class _Local:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.place = str(root)

    def list(self, deep: bool) -> list[Listed]:
        # A link that leads out of the folder is not followed: whoever may write here must not choose what we read.
        found = self._root.rglob("*") if deep else self._root.iterdir()
        inside = (path for path in found if path.is_file() and path.resolve().is_relative_to(self._root))
        return [self.stat(path.relative_to(self._root).as_posix()) for path in inside]

    def stat(self, name: str) -> Listed:
        found = (self._root / name).stat()
        return Listed(name, found.st_size, int(found.st_mtime))

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


class _Sftp:
    def __init__(self, client: paramiko.SFTPClient, folder: str, host: str) -> None:
        self._client = client
        self._folder = folder.rstrip("/") or "/"
        self.place = f"{host}:{folder}"

    def list(self, deep: bool) -> list[Listed]:
        return list(self._walk("", _DEPTH if deep else 0))

    def _walk(self, below: str, depth: int) -> Iterator[Listed]:
        for entry in self._client.listdir_attr(f"{self._folder}/{below}"):
            # A name that is a name alone: a server could list `../../etc/passwd`.
            if not entry.st_mode or "/" in entry.filename or "\\" in entry.filename or entry.filename in (".", ".."):
                continue
            name = f"{below}{entry.filename}"
            if stat.S_ISREG(entry.st_mode):
                yield Listed(name, entry.st_size or 0, entry.st_mtime or 0)
            elif stat.S_ISDIR(entry.st_mode) and depth:
                yield from self._walk(f"{name}/", depth - 1)

    def stat(self, name: str) -> Listed:
        found = self._client.stat(f"{self._folder}/{name}")
        return Listed(name, found.st_size or 0, found.st_mtime or 0)

    def open(self, name: str) -> paramiko.SFTPFile:
        file = self._client.open(f"{self._folder}/{name}", "rb")
        file.prefetch()
        return file


@contextmanager
def _sftp(transport: SftpTransport, limits: Limits) -> Iterator[Folder]:
    """Connect with paramiko itself: fsspec's SFTP accepts whatever key the server shows."""
    import paramiko

    host, port = resolve(transport.host), _port(resolve(transport.port))
    client = paramiko.SSHClient()
    key = _host_key(resolve(transport.host_key))
    client.get_host_keys().add(host if port == 22 else f"[{host}]:{port}", key.get_name(), key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    timeout = limits.timeout_seconds
    try:
        client.connect(
            host,
            port,
            username=resolve(transport.username),
            password=resolve(transport.password) if transport.password else None,
            pkey=_private_key(resolve(transport.private_key)) if transport.private_key else None,
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
            channel_timeout=timeout,
            allow_agent=False,
            look_for_keys=False,
        )
        with client.open_sftp() as session:
            channel = session.get_channel()
            if channel is not None:
                channel.settimeout(timeout)
            yield _Sftp(session, transport.folder, host)
    except paramiko.BadHostKeyException:
        raise SourceError(
            f"{host} shows another host key than the register's. Ask the vendor before anything else; never just replace it"
        ) from None
    except paramiko.AuthenticationException:
        raise SourceError(f"{host} refuses the log-in. Check user name, password or private key") from None
    except TimeoutError:
        raise SourceError(f"{host} gave no answer within {timeout} s. Try later, or raise limits.timeout_seconds") from None
    except FileNotFoundError:
        raise SourceError(
            f"{host} has no folder {transport.folder}, or a file went while it was read. Check transport.folder"
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(
            f"no SFTP connection to {host}:{port} ({said}). Check host, port, host_key and whether it is up"
        ) from None
    finally:
        client.close()


def _port(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise SourceError("transport.port is not a number. Correct it") from None


def _host_key(line: str) -> paramiko.PKey:
    import paramiko
    from paramiko.pkey import UnknownKeyType

    try:
        kind, encoded, *_ = line.split()
        return paramiko.PKey.from_type_string(kind, base64.b64decode(encoded))
    except (ValueError, binascii.Error, UnknownKeyType, paramiko.SSHException):
        raise SourceError("transport.host_key is not a public key. It looks like `ssh-ed25519 AAAA…`: run ssh-keyscan") from None


def _private_key(content: str) -> paramiko.PKey:
    import paramiko

    kinds: tuple[Callable[[IO[str]], paramiko.PKey], ...] = (
        paramiko.Ed25519Key.from_private_key,
        paramiko.ECDSAKey.from_private_key,
        paramiko.RSAKey.from_private_key,
    )
    for read_key in kinds:
        try:
            return read_key(io.StringIO(content))
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    raise SourceError("transport.private_key is no Ed25519, ECDSA or RSA key without a passphrase. Make one with ssh-keygen")
