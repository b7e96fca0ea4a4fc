"""Dagster's PostgreSQL storage, made quick.

As Dagster has it, every event opens two to four connections, each with its log-in, and waits for the disk. A build tells of a
thousand tables and checks and more before it starts: minutes. Here a process keeps the connections that it has opened, and an
event is safe against the end of the process or of PostgreSQL, not against a power cut, as in `event_log`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as db
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage


class PostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules in one PostgreSQL database: what `dagster.yaml` names as `storage`, with its `postgres_url`."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        # Asked whether it still answers before it is used: PostgreSQL may have been started anew.
        engine = db.create_engine(
            postgres_url, isolation_level="AUTOCOMMIT", pool_size=4, max_overflow=-1, pool_pre_ping=True, pool_recycle=3600
        )
        db.event.listen(engine, "connect", _settle)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> PostgresStorage:
        # Dagster's own makes the class it stands in, not the one it is called on.
        return cls(config_value["postgres_url"], inst_data)


def _settle(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set synchronous_commit = off")
    connection.commit()
