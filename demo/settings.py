"""Where the practice systems are found: free ports, kept from one time to the next, and the settings that point at them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path

SERVERS = ("http", "https", "postgres", "sftp")
FOLDERS = (
    "cpr_sf6002", "specialtilbud", "opus_loen", "budgetaftale", "kle", "kontoplan", "dst", "oioubl", "kmd_insight", "fbs",
    "budgettildeling",
)  # fmt: skip
"""Systems that lay their files in a folder."""
SFTP_ACCOUNTS = {"ydelsesrefusion": "odsherred", "truelink": "odsherred-indkoeb", "energykey": "odsherred-energi"}
"""Systems that deliver by SFTP, with their user name on the server."""


def ports(folder: Path) -> dict[str, int]:
    """Return a free port on 127.0.0.1 for each server: the one used last if it is still free, else a new one."""
    path = folder / "ports.json"
    last: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        for server in SERVERS:
            # Held until all are chosen, so that no two servers are given the same one.
            held.append(_bound(last.get(server, 0)) or _any())
            found[server] = int(held[-1].getsockname()[1])
    finally:
        for taken in held:
            taken.close()
    if found != last:
        path.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return found


def _bound(port: int) -> socket.socket | None:
    taken = socket.socket()
    # As the servers themselves do: a connection of the last run that is still closing does not block its port.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        taken.close()
        return None
    return taken


def _any() -> socket.socket:
    taken = _bound(0)
    if taken is None:
        raise OSError("no free port on 127.0.0.1")
    return taken


def connections(folder: Path, chosen: Mapping[str, int]) -> dict[str, str]:
    """Return every environment variable by which the register reaches the practice systems in `folder`."""
    from demo.certificates import certificates
    from demo.http import http_settings
    from demo.postgres import sql_settings
    from demo.sftp import host_key
    from demo.systems import stil_ws17

    return {
        **{f"{system.upper()}_FOLDER": str(folder / system) for system in FOLDERS},
        **sql_settings(chosen["postgres"]),
        **_sftp_settings(chosen["sftp"], host_key(folder / "sftp_host_key")),
        **stil_ws17.settings(f"https://127.0.0.1:{chosen['https']}/{stil_ws17.SYSTEM}", certificates(folder)),
        **http_settings(f"http://127.0.0.1:{chosen['http']}"),
    }


def _sftp_settings(port: int, key: str) -> dict[str, str]:
    from demo.web import practice_secret

    found: dict[str, str] = {}
    for system, username in SFTP_ACCOUNTS.items():
        own = {"HOST": "127.0.0.1", "PORT": str(port), "USERNAME": username, "HOST_KEY": key}
        own["PASSWORD"] = practice_secret(system, "password")
        found |= {f"{system.upper()}_{name}": value for name, value in own.items()}
    return found


def write_connections(path: Path, values: Mapping[str, str]) -> None:
    """Set `values` in the dotenv file at `path` (mode 0600); other variables that stand there stay."""
    kept = []
    if path.exists():
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if line.partition("=")[0].strip() not in values]
    lines = [*kept, *(f"{name}={_quoted(value)}" for name, value in values.items())]
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    fresh.replace(path)


def _quoted(value: str) -> str:
    """A value on one line: in double quotes, python-dotenv makes lines again of a certificate's."""
    return f"'{value}'" if "\n" not in value else '"' + value.replace("\n", "\\n") + '"'
