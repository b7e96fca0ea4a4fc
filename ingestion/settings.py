"""Turn the register's references into values, at the moment they are needed and not before."""

from __future__ import annotations

import os
from pathlib import Path

from ingestion.register.model import EnvRef, FileRef, Secret, Setting


class MissingSetting(Exception):
    """A value that the register refers to is not there."""


def resolve(reference: Setting | Secret) -> str:
    """Return the value of a literal, an environment variable or a file (its content without the final newline).

    Raises:
        MissingSetting: the variable or file is not there; the message says which and what to do.
    """
    if isinstance(reference, EnvRef):
        value = os.environ.get(reference.env)
        if value is None:
            raise MissingSetting(
                f"environment variable {reference.env} is not set. Set it, or add it to connections.env in the home folder"
            )
        return value
    if isinstance(reference, FileRef):
        path = Path(reference.file)
        if not path.is_file():
            raise MissingSetting(f"secret file {reference.file} is not there. Create it, readable by the service alone")
        return path.read_text(encoding="utf-8").rstrip("\n")
    return reference
