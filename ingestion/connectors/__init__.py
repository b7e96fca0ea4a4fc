"""Connectors: one small module per protocol. `connector_for` is the way in."""

from __future__ import annotations

import importlib
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ingestion.connectors.base import ReadContext, SourceError
from ingestion.messages import one_line
from ingestion.register.model import EnvRef, FileRef, System, Table
from ingestion.settings import MissingSetting, resolve

if TYPE_CHECKING:
    import pyarrow as pa

    from ingestion.connectors.duck import Scan, Stored

Reader = Callable[[System, str, Table, ReadContext], "Iterator[pa.Table | Path | Scan | Stored]"]

_SECRET_FIELDS = {
    "password",
    "private_key",
    "token",
    "value",
    "client_secret",
    "headers",
    "key",
    "secret_arguments",
    "settings",
    "access_key",
    "secret_key",
    "account_key",
    "sas_token",
}
_LOGIN = re.compile(r"\b(Basic|Bearer) [\w.~+/=-]{6,}|\beyJ[\w-]+\.[\w.-]+")
"""What some servers quote of a request that they refuse, and a token (JWT), which stands in no register."""


def connector_for(system: System) -> Reader:
    """Return the function that reads tables of `system`; its module, and the libraries it needs, are imported now.

    What it raises is a `SourceError` that begins with `system.table:`, stands on one line and shows no secret. For files,
    the format's own module is imported when a table is read.
    """
    read: Reader = importlib.import_module(f"ingestion.connectors.{system.connection.protocol}").read

    def guarded(system: System, table_name: str, table: Table, context: ReadContext) -> Iterator[pa.Table | Path | Scan | Stored]:
        try:
            yield from read(system, table_name, table, context)
        except (SourceError, MissingSetting) as error:
            # `from None`: the driver's own exception may quote the connection string, password and all, in a traceback.
            raise SourceError(_presentable(system, table_name, str(error))) from None
        except Exception as error:
            # What nobody has thought of costs its table alone; let through, dlt would fail the whole system for it.
            at = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}, {str(error)[:200].rstrip('.')}"
            message = f"the data were not understood ({said}). Report it to the platform's team"
            raise SourceError(_presentable(system, table_name, message)) from None

    return guarded


def _presentable(system: System, table_name: str, message: str) -> str:
    # Half an emoji, as a cut text ends in, could not be written to the log.
    line = _LOGIN.sub("***", one_line(message).encode(errors="replace").decode())
    for secret in _secrets(system.connection):
        line = line.replace(secret, "***")
    return f"{system.id}.{table_name}: {line}"


def _secrets(node: Any, secret: bool = False) -> Iterator[str]:
    """Every value below `node` that the register keeps as a secret."""
    if secret and isinstance(node, (EnvRef, FileRef)):
        try:
            value = resolve(node)
        except MissingSetting:
            return  # What isn't there can't be shown.
        yield from (part for part in (value, *value.splitlines()) if part)
    elif isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from _secrets(getattr(node, name), secret or name in _SECRET_FIELDS)
    elif isinstance(node, dict):
        for value in node.values():
            yield from _secrets(value, secret)
