"""Deliveries that do not wait for the night: a sensor that looks into the folders of systems with `load_on_arrival`."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence

import dagster as dg

from ingestion.home import Home
from ingestion.register import Register
from ingestion.register.model import FilesSystem
from orchestration.schedules import LOAD, load_request

ANSWER_SECONDS = 5
"""What a server gets for each answer, and all of them together get twice that: a tick may take 60 s, and one hangs sometime."""

Seen = dict[str, list[str]]
"""The cursor: by system, a short digest of each delivery that lay there last time."""


def arrival_sensors(register: Register, home: Home) -> list[dg.SensorDefinition]:
    """Return the sensor, if a system wants it."""
    watched = [
        system
        for system in register.systems.values()
        if isinstance(system, FilesSystem) and system.connection.load_on_arrival and system.tables
    ]
    return [_sensor(watched, home)] if watched else []


def _sensor(watched: Sequence[FilesSystem], home: Home) -> dg.SensorDefinition:
    looks = Looks()

    @dg.sensor(
        name="file_arrivals",
        job_name=LOAD,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Henter et system, når en ny leverance ligger hel i dets mappe; derefter bygges og udgives som om natten.",
    )
    def file_arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        home.load_settings()
        found, faults = looks.at(watched)
        for fault in faults:
            context.log.warning(fault)
        seen: Seen = json.loads(context.cursor or "{}")
        requests = [request for system in watched if (request := _request(system, found, seen))]
        skipped = None if requests else f"Intet nyt i {len(found)} mapper. {len(faults)} svarede ikke."
        return dg.SensorResult(requests, skip_reason=skipped, cursor=json.dumps(seen | found))

    return file_arrivals


def _request(system: FilesSystem, found: Mapping[str, Sequence[str]], seen: Seen) -> dg.RunRequest | None:
    """Return the load that takes what has come since last time. What has gone (to the archive) is no delivery."""
    present = found.get(system.id, [])
    if not set(present) - set(seen.get(system.id, [])):
        return None
    delivery = f"arrival-{system.id}-{_digest(*present)}"
    return load_request(delivery, [system], delivery, 1)


class Looks:
    """Folders looked into side by side, each in a thread of its own: one that hangs keeps none of the others waiting."""

    def __init__(self, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._seconds = answer_seconds
        self._under_way: dict[str, threading.Thread] = {}

    def at(self, systems: Sequence[FilesSystem]) -> tuple[Seen, list[str]]:
        """Return what lies there, by system, and one line for each system that did not say."""
        found: Seen = {}
        faults: dict[str, str] = {}
        for system in systems:
            # A dead mount holds its thread until somebody mends it: no second one joins it.
            if system.id not in self._under_way or not self._under_way[system.id].is_alive():
                thread = threading.Thread(target=self._look, args=(system, found, faults), name=f"look-{system.id}", daemon=True)
                self._under_way[system.id] = thread
                thread.start()
        deadline = time.monotonic() + 2 * self._seconds
        for system in systems:
            self._under_way[system.id].join(max(0.0, deadline - time.monotonic()))
            if system.id not in found:
                faults.setdefault(system.id, f"{system.id}: no answer within {2 * self._seconds:.0f} s")
        # Copies: a thread that is late writes into what nobody reads any more.
        return dict(found), list(faults.values())

    def _look(self, system: FilesSystem, found: Seen, faults: dict[str, str]) -> None:
        from ingestion.connectors.base import SourceError
        from ingestion.connectors.files import arrived
        from ingestion.messages import one_line
        from ingestion.settings import MissingSetting

        limits = system.limits.model_copy(update={"timeout_seconds": max(1, round(self._seconds))})
        try:
            files = arrived(system.model_copy(update={"limits": limits}))
        except (SourceError, MissingSetting, OSError) as error:
            faults[system.id] = f"{system.id}: {one_line(error)}"
        else:
            found[system.id] = [_digest(listed.name, listed.stamp) for listed in files]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
