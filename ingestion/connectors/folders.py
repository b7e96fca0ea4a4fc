"""Folders that files are delivered to: local (or a mounted share) and SFTP; others in `objects` and `downloads`."""

from __future__ import annotations

import base64
import binascii
import errno
import functools
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ingestion.connectors.base import SourceError
from ingestion.register.basics import Limits
from ingestion.register.files import HttpTransport, LocalTransport, SftpTransport
from ingestion.register.model import FilesSystem
from ingestion.settings import resolve

if TYPE_CHECKING:
    import paramiko

_CHUNK = 1 << 20
_DEPTH = 10
"""Folders in folders that are looked into."""


@dataclass(frozen=True)
class Listed:
    """A file as its folder lists it: size in bytes, time of last change in seconds since 1970."""

    name: str
    size: int
    modified: float

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

    def fetch(self, name: str, target: Path) -> None:
        """Make `target` read as the file does: a copy, or a link to where it lies."""
        with self.open(name) as source, target.open("xb") as copy:  # Never through a link to what lies somewhere.
            shutil.copyfileobj(source, copy, _CHUNK)

    def move(self, name: str, target: str) -> None:
        """Give the file another name in the folder (with its path), which nothing has but the same content; folders on the way
        are made.
        """
        ...


@contextmanager
def opened(system: FilesSystem) -> Iterator[Folder]:
    transport = system.connection.transport
    if isinstance(transport, LocalTransport):
        try:
            yield _Local(Path(resolve(transport.folder)))
        except PermissionError as error:
            raise SourceError(f"no right to read {error.filename}. Give the service's user read access") from None
        except FileNotFoundError as error:
            raise SourceError(f"{error.filename} is not there. Check transport.folder and that the share is mounted") from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise  # Of what is written here.
            place, said = error.filename or resolve(transport.folder), error.strerror or type(error).__name__
            raise SourceError(f"{place} cannot be read ({said}). Check the share, and whether its server is up") from None
    elif isinstance(transport, SftpTransport):
        with _sftp(transport, system.limits) as folder:
            yield folder
    elif isinstance(transport, HttpTransport):
        from ingestion.connectors import downloads

        with downloads.opened(transport, system.limits) as folder:
            yield folder
    else:
        from ingestion.connectors import objects

        with objects.opened(transport, system.limits) as folder:
            yield folder


class _Names(dict[str, str]):
    """How names are written where the files lie, by what they are called here. Bytes that are no UTF-8 are taken for those of
    Windows: one such name, of whatever file, must not hide all the others.
    """

    def called(self, written: str) -> str:
        """Return what a name is called that was read by Python's `surrogateescape`."""
        try:
            written.encode()
        except UnicodeEncodeError:
            name = self.as_bytes(written).decode("cp1252", "replace")
            self[name] = written
            return name
        return written

    def __missing__(self, name: str) -> str:
        return name

    @staticmethod
    def as_bytes(written: str) -> bytes:
        return written.encode(errors="surrogateescape")


class _Local(Folder):
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._names = _Names()
        self.place = str(root)

    def list(self, deep: bool) -> list[Listed]:
        # A link that leads out of the folder is not followed: whoever may write here must not choose what we read.
        found = self._root.rglob("*") if deep else self._root.iterdir()
        inside = (path for path in found if path.is_file() and path.resolve().is_relative_to(self._root))
        listed: list[Listed] = []
        for path in inside:
            with suppress(FileNotFoundError):  # Gone in the meantime, as what programs write for a moment is.
                listed.append(self.stat(self._names.called(path.relative_to(self._root).as_posix())))
        return listed

    def stat(self, name: str) -> Listed:
        found = self._path(name).stat()
        return Listed(name, found.st_size, found.st_mtime)

    def open(self, name: str) -> IO[bytes]:
        return self._path(name).open("rb")

    def fetch(self, name: str, target: Path) -> None:
        with self.open(name) as file:  # Whether it may be read is told now, by its own name.
            same_disk = os.fstat(file.fileno()).st_dev == target.parent.stat().st_dev
        if same_disk:
            with suppress(OSError):  # As on Windows, where a link takes a right of its own.
                # Copied it would take its size once more on the same disk, and of a large file a fifth of the load's time.
                target.symlink_to(self._path(name))
                return
        # A share is read once: a network is slower than a disk, and may break off.
        super().fetch(name, target)

    def move(self, name: str, target: str) -> None:
        (self._root / target).parent.mkdir(parents=True, exist_ok=True)
        self._path(name).replace(self._root / target)

    def _path(self, name: str) -> Path:
        return self._root / self._names[name]


_NOT_TOLD = 0
"""The kind of what a server lists without telling it: neither rights nor kind, or rights alone."""


class _Sftp(Folder):
    def __init__(self, client: paramiko.SFTPClient, folder: str, host: str) -> None:
        self._client = client
        self._folder = folder.rstrip("/") or "/"
        self._names = _Names()
        self.place = f"{host}:{folder}"

    def list(self, deep: bool) -> list[Listed]:
        return list(self._walk("", _DEPTH if deep else 0))

    def _walk(self, below: str, depth: int) -> Iterator[Listed]:
        for entry in self._client.listdir_attr(self._path(below)):  # type: ignore[arg-type]  # Bytes do, too.
            # A name that is a name alone: a server could list `../../etc/passwd`.
            if "/" in entry.filename or "\\" in entry.filename or entry.filename in (".", ".."):
                continue
            name = self._names.called(f"{self._names[below]}{entry.filename}")
            kind = stat.S_IFMT(entry.st_mode or 0)
            if kind in (_NOT_TOLD, stat.S_IFLNK):
                found = self._asked_for(name)
                if found is not None:
                    yield found
            elif kind == stat.S_IFREG:
                yield Listed(name, entry.st_size or 0, entry.st_mtime or 0)
            elif kind == stat.S_IFDIR and depth:
                yield from self._walk(self._names.called(f"{self._names[name]}/"), depth - 1)

    def _asked_for(self, name: str) -> Listed | None:
        """Return the file that a link leads to, or that a server lists without telling what kind of thing it is: it need not."""
        try:
            found = self._client.stat(self._path(name))
        except FileNotFoundError:
            return None
        is_file = stat.S_IFMT(found.st_mode or 0) in (_NOT_TOLD, stat.S_IFREG)
        return Listed(name, found.st_size or 0, found.st_mtime or 0) if is_file else None

    def stat(self, name: str) -> Listed:
        found = self._client.stat(self._path(name))
        return Listed(name, found.st_size or 0, found.st_mtime or 0)

    def open(self, name: str) -> paramiko.SFTPFile:
        file = self._client.open(self._path(name), "rb")
        file.prefetch()
        return file

    def move(self, name: str, target: str) -> None:
        made = ""
        for step in target.split("/")[:-1]:
            made += f"/{step}"
            try:
                self._client.stat(f"{self._folder}{made}")
            except FileNotFoundError:
                self._client.mkdir(f"{self._folder}{made}")
        try:
            self._client.rename(self._path(name), f"{self._folder}/{target}")
        except OSError as error:
            try:
                self._client.stat(f"{self._folder}/{target}")
            except OSError:
                raise error from None
            # SFTP renames nothing to a name that is there: the same file, by its digest, that was put away before.
            self._client.remove(self._path(name))

    def _path(self, name: str) -> bytes:
        return self._names.as_bytes(f"{self._folder}/{self._names[name]}")


@contextmanager
def _sftp(transport: SftpTransport, limits: Limits) -> Iterator[Folder]:
    """Connect with paramiko itself: fsspec's SFTP accepts whatever key the server shows."""
    import paramiko
    import paramiko.sftp_client

    paramiko.sftp_client.Message = _message()  # type: ignore[attr-defined]
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


@functools.cache
def _message() -> type[paramiko.Message]:
    import paramiko

    class Message(paramiko.Message):
        """As paramiko's, which gives up a whole folder for a name that is no UTF-8."""

        def get_text(self) -> str:
            return self.get_string().decode(errors="surrogateescape")

    return Message


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
