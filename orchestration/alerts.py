"""One message per morning and owner, in Danish: what is new, what is mended. Nothing is said twice.

Of several addresses of an owner one is enough: who was told is not told again because another address takes nothing.

Where messages go is said by environment variables (or `connections.env`), as Apprise addresses, several separated by blanks:

    FAELLESDATA_ALERT_MAIL           mail to each owner of the register; `{owner}` is the owner's address:
                                     mailto://smtp.kommune.example:25?from=faellesdata@kommune.example&to={owner}
    FAELLESDATA_ALERT_<DEPARTMENT>   besides, for one department (its id in capitals), such as a Teams channel
    FAELLESDATA_ALERT_PLATFORM       for what is nobody's data: a build or a publication that failed
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from ingestion.danish_time import written
from ingestion.home import Home
from orchestration.locks import exclusive
from orchestration.troubles import PLATFORM, Owner, Trouble

MAIL, PREFIX, UI_URL = "FAELLESDATA_ALERT_MAIL", "FAELLESDATA_ALERT_", "FAELLESDATA_UI_URL"
SHOWN = 12
"""Details and marts listed before the rest are only counted: a message is to be read on a telephone."""

SILENT_SECONDS = 3
"""A server that refuses does so at once."""

Kind = Literal["failure", "warning", "success"]
Send = Callable[[str, str, str, Kind], bool]
"""Send title, body and kind of news to an Apprise address; return whether it was taken."""


@dataclass
class Told:
    """What became of the messages: the owners told, those that could not be, and those told, but not by each address."""

    sent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    partly: list[str] = field(default_factory=list)

    @property
    def not_told(self) -> list[str]:
        return self.failed + self.partly


def tell(home: Home, troubles: Sequence[Trouble], now: datetime, send: Send | None = None, *, systems: Collection[str]) -> Told:
    """Tell each owner what is new and what is mended since last time. What could not be sent is said next time.

    Of what is no longer among the `systems` of the register nobody can say that it is mended: its file may have an error.
    """
    told, silent = Told(), set[str]()
    with exclusive(home, "alerts"):
        before = _read(home)
        after = dict(before)
        current = {trouble.key: trouble for trouble in troubles}
        for owner in _owners(before, troubles):
            mine = {key: trouble for key, trouble in current.items() if trouble.owner == owner}
            known = {key: entry for key, entry in before.items() if Owner(**entry["owner"]) == owner}
            new = [trouble for key, trouble in mine.items() if _is_news(trouble, known.get(key))]
            gone = {key: entry for key, entry in known.items() if key not in current}
            unseen = {key: entry for key, entry in gone.items() if entry.get("system") and entry["system"] not in systems}
            mended = [entry for key, entry in gone.items() if key not in unseen and entry.get("severity") != "warn"]
            addresses = targets(owner)
            if not (new or mended) or not addresses:
                continue
            lasting = [trouble for trouble in mine.values() if trouble not in new and trouble.severity == "error"]
            title, body = compose(owner, new, mended, lasting, now, known)
            then = {key: entry for key, entry in after.items() if key not in known or key in unseen}
            then |= {key: _entry(trouble, known.get(key), now) for key, trouble in mine.items()}
            # Before it is sent: what a full disk keeps from being noted would be told again each minute. And for each owner: if
            # this process is killed before the next, this one is not told again.
            draft = _draft(home, then)
            took = [_deliver(send or send_by_apprise, silent, address, title, body, _kind(new)) for address in addresses]
            if not any(took):
                draft.unlink()
                told.failed.append(owner.team)
                continue
            draft.replace(_record(home))
            after = then
            told.sent.append(owner.team)
            if not all(took):
                told.partly.append(f"{owner.team} ({took.count(False)} af {len(took)} adresser)")
    return told


def targets(owner: Owner) -> list[str]:
    """Return the owner's Apprise addresses, from the environment."""
    own = os.environ.get(f"{PREFIX}{owner.department.upper()}", "").split()
    mail = os.environ.get(MAIL, "").split() if owner.email else []
    return own + [address.replace("{owner}", quote(owner.email)) for address in mail]


def compose(
    owner: Owner,
    new: Sequence[Trouble],
    mended: Sequence[Mapping[str, Any]],
    lasting: Sequence[Trouble],
    now: datetime,
    known: Mapping[str, Mapping[str, Any]],
) -> tuple[str, str]:
    """Return title and body. `known` holds, by key, what was said of a trouble before."""
    if len(new) == 1 and not mended:
        title = new[0].what.rstrip(".")
    else:
        errors = sum(trouble.severity == "error" for trouble in new)
        warnings = len(new) - errors
        counts = [f"{errors} {'ny fejl' if errors == 1 else 'nye fejl'}"] if errors else []
        counts += [f"{warnings} {'advarsel' if warnings == 1 else 'advarsler'}"] if warnings else []
        counts += [f"{len(mended)} rettet"] if mended else []
        title = ", ".join(counts)
    parts = [f"Til {owner.team}"]
    parts += ["\n".join(_lines(trouble, now, known.get(trouble.key))) for trouble in new]
    if mended:
        parts.append("Rettet:\n" + "\n".join(f"- {entry['what']} (siden {_time(entry['since'])})" for entry in mended))
    if lasting:
        lines = (f"- {trouble.what} (siden {_time(_since(trouble, known.get(trouble.key), now))})" for trouble in lasting)
        parts.append("Stadig ikke i orden, som meldt før:\n" + "\n".join(lines))
    parts.append(f"Se mere: {link(new)}")
    return f"Fællesdata: {title}", "\n\n".join(parts) + "\n"


def link(troubles: Sequence[Trouble]) -> str:
    """Return where in the UI to look: the run or the system's tables, where one of them has it all."""
    base = os.environ.get(UI_URL, "http://127.0.0.1:3000").rstrip("/")
    pages = {trouble.page for trouble in troubles}
    return f"{base}/{pages.pop()}" if len(pages) == 1 and "" not in pages else f"{base}/runs"


def _kind(new: Sequence[Trouble]) -> Kind:
    if not new:
        return "success"
    return "failure" if any(trouble.severity == "error" for trouble in new) else "warning"


def _deliver(send: Send, silent: set[str], address: str, title: str, body: str, kind: Kind) -> bool:
    """Send, but not by a server that has kept an earlier message waiting in vain: asked for each owner, a mail server that hangs
    held up the end of the night for minutes, and the daemon with it.
    """
    server = urlsplit(address).netloc.rpartition("@")[2]
    if server in silent:
        return False
    began = monotonic()
    took = send(address, title, body, kind)
    if not took and monotonic() - began > SILENT_SECONDS:
        silent.add(server)
    return took


def send_by_apprise(address: str, title: str, body: str, kind: Kind) -> bool:
    """Send through Apprise. Addresses hold secrets: they are neither logged nor raised."""
    import apprise

    sender = apprise.Apprise()
    if not sender.add(address):
        return False
    return bool(sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT, notify_type=kind))


def _lines(trouble: Trouble, now: datetime, known: Mapping[str, Any] | None) -> list[str]:
    lines = [trouble.what, f"Siden: {_time(_since(trouble, known, now))}"]
    if trouble.data_from:
        lines.append(f"Data er fra: {_time(trouble.data_from.isoformat())}")
    lines += _listed("Fejl:", [f"- {detail}" for detail in trouble.details], "\n")
    if trouble.marts:
        lines += _listed("Det betyder, at disse tabeller viser ældre eller mangelfulde data:", list(trouble.marts), ", ")
    return [*lines, f"Gør: {trouble.todo}"]


def _listed(title: str, items: list[str], separator: str) -> list[str]:
    if not items:
        return []
    rest = len(items) - SHOWN
    text = separator.join(items[:SHOWN]) + (f"{separator}og {rest} til" if rest > 0 else "")
    return [f"{title}{separator if separator == chr(10) else ' '}{text}"]


def _is_news(trouble: Trouble, known: Mapping[str, Any] | None) -> bool:
    return known is None or not set(trouble.parts) <= set(known["parts"])


def _entry(trouble: Trouble, known: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    owner = {"team": trouble.owner.team, "email": trouble.owner.email, "department": trouble.owner.department}
    return {
        "what": trouble.what,
        "since": _since(trouble, known, now),
        "owner": owner,
        "parts": list(trouble.parts),
        "system": trouble.system,
        "severity": trouble.severity,
    }


def _since(trouble: Trouble, known: Mapping[str, Any] | None, now: datetime) -> str:
    if trouble.since:
        return trouble.since.isoformat()
    return str(known["since"]) if known else now.astimezone(UTC).isoformat()


def _time(moment: str) -> str:
    return written(datetime.fromisoformat(moment))


def _owners(before: Mapping[str, Mapping[str, Any]], troubles: Sequence[Trouble]) -> list[Owner]:
    """Return everybody who may have to be told: the departments first."""
    owners = {Owner(**entry["owner"]) for entry in before.values()} | {trouble.owner for trouble in troubles}
    return sorted(owners, key=lambda owner: (owner.department == PLATFORM, owner.department, owner.team, owner.email))


def _record(home: Home) -> Path:
    return home.path / "alerts.json"


def _read(home: Home) -> dict[str, dict[str, Any]]:
    path = _record(home)
    try:
        content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:  # Cut short: rather told twice than never again.
        return {}
    return content


def _draft(home: Home, entries: Mapping[str, Any]) -> Path:
    """Return a file with what is known to be told once the message is out, ready to take the record's place."""
    draft = home.path / "alerts.draft"
    try:
        draft.write_text(json.dumps(entries, ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft
