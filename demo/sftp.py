"""An SFTP server on loopback with a host key of its own: one user, with a folder and password of its own, for each system."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncssh


@dataclass(frozen=True)
class Account:
    """What a user of the server may see, and its password."""

    root: Path
    password: str


def host_key(path: Path) -> str:
    """Make the server's private key at `path` unless it is there; return the public key as in known_hosts."""
    import asyncssh

    if path.exists():
        key = asyncssh.read_private_key(path)
    else:
        key = asyncssh.generate_private_key("ssh-ed25519")
        path.touch(mode=0o600)
        path.write_bytes(key.export_private_key())
    return key.export_public_key().decode().strip()


@contextmanager
def sftp(key: Path, port: int, accounts: Mapping[str, Account]) -> Iterator[None]:
    """Serve each user's folder, read-only, on 127.0.0.1:`port` in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sftp", daemon=True)
    thread.start()
    callers: set[asyncssh.SSHServerConnection] = set()
    listening = _listen(key, port, accounts, callers)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(timeout=10)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_close(server, callers), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


async def _listen(
    key: Path, port: int, accounts: Mapping[str, Account], callers: set[asyncssh.SSHServerConnection]
) -> asyncssh.SSHAcceptor:
    import asyncssh

    class Gate(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            callers.add(conn)

        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            account = accounts.get(username)
            return account is not None and hmac.compare_digest(password.encode(), account.password.encode())

    class ReadOnly(asyncssh.SFTPServer):
        def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
            root = accounts[channel.get_extra_info("username")].root
            super().__init__(channel, chroot=str(root).encode())

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            if pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC):
                raise asyncssh.SFTPPermissionDenied("the folder is for reading")
            return super().open(path, pflags, attrs)

    return await asyncssh.create_server(
        Gate, "127.0.0.1", port, server_host_keys=[str(key)], sftp_factory=ReadOnly, allow_scp=False, reuse_address=True
    )


async def _close(server: asyncssh.SSHAcceptor, callers: set[asyncssh.SSHServerConnection]) -> None:
    server.close()
    for caller in callers:
        caller.abort()
    await asyncio.gather(server.wait_closed(), *(caller.wait_closed() for caller in callers))
