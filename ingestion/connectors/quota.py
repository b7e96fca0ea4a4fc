"""How often a system has been asked today: kept on disk before each call, so that a killed load's calls count too."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path

from ingestion.connectors.base import SourceError
from ingestion.danish_time import DENMARK
from ingestion.register.basics import Limits


class Quota:
    """The calls of one Danish day, in a file that all loads of the system share."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits

    def take(self, arguments: str) -> None:
        """Count one call with `arguments`. They are kept as a hash, since they may hold a CPR number, and for this user alone:
        all CPR numbers are hashed in minutes.

        Raises:
            SourceError: today's calls are used up.

        """
        from filelock import FileLock

        most = self._limits.max_calls_per_day
        if most is None:
            return
        key = hashlib.sha256(arguments.encode()).hexdigest()[:32] if self._limits.calls_counted == "by_arguments" else "all"
        today = datetime.now(DENMARK).date().isoformat()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._path}.lock"):
            counted: dict[str, dict[str, int]] = json.loads(self._path.read_text()) if self._path.exists() else {}
            calls = counted.get(today, {})
            if calls.get(key, 0) >= most:
                raise SourceError(f"the system allows {most} calls a day, and today's are used up. Load again tomorrow")
            calls[key] = calls.get(key, 0) + 1
            new = self._path.with_suffix(".new")
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({today: calls}, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
