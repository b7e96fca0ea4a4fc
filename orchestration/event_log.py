"""Dagster's SQLite storage for a home, made quick and kept small.

As Dagster has it, every event opens its file anew, and closing it writes everything through to the disk: half a refresh of the
practice municipality went into that. Here a file stays open, what comes at once is
written at once, and an event is safe against the end of the process, not against a power cut, after which the last seconds of
the log may be missing. What was loaded never is: that stands in the raw files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

import sqlalchemy as db
from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool


class EventLog(SqliteEventLogStorage):
    """Dagster's event log (a file per run, and an index of all) with files that stay open and go when their run goes."""

    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, Engine] = {}
        self._schema: set[str] = set()
        self._batch = threading.local()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        under_way: dict[str, Connection] = getattr(self._batch, "connections", {})
        if shard in under_way:
            yield under_way[shard]
            return
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store what Dagster hands over at once, such as all that a run intends to make, in one transaction a file."""
        run_ids = {event.run_id for event in events}
        if len(run_ids) != 1:
            super().store_event_batch(events)
            return
        (run_id,) = run_ids
        with self._db_lock, self._engine(run_id).begin() as run, self._engine(INDEX_SHARD_NAME).begin() as index:
            self._batch.connections = {run_id: run, INDEX_SHARD_NAME: index}
            try:
                super().store_event_batch(events)
            finally:
                self._batch.connections = {}

    # Dagster asks for every event whether the file has been brought up to this version's schema. Once it has, it has.

    def has_table(self, table_name: str) -> bool:
        return self._once(f"table {table_name}", lambda: super(EventLog, self).has_table(table_name))

    def has_secondary_index(self, name: str) -> bool:
        return self._once(f"index {name}", lambda: super(EventLog, self).has_secondary_index(name))

    def has_asset_key_col(self, column_name: str) -> bool:
        return self._once(f"column {column_name}", lambda: super(EventLog, self).has_asset_key_col(column_name))

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        return self._once(
            f"column {column_name}", lambda: super(EventLog, self)._has_asset_key_col_on_connection(conn, column_name)
        )

    def _once(self, what: str, ask: Callable[[], bool]) -> bool:
        if what not in self._schema and ask():
            self._schema.add(what)
        return what in self._schema

    def delete_events(self, run_id: str) -> None:
        """Forget a run: its entries in the index, and its file, which Dagster empties and leaves at its full size."""
        super().delete_events(run_id)
        with self.index_connection() as connection:
            connection.execute(db.delete(AssetCheckExecutionsTable).where(AssetCheckExecutionsTable.c.run_id == run_id))
        with self._db_lock:
            self._close(run_id)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)
            self._initialized_dbs.discard(run_id)

    def wipe(self) -> None:
        self.close()
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        self.close()

    def close(self) -> None:
        for shard in list(self._engines):
            self._close(shard)

    def _engine(self, shard: str) -> Engine:
        """Return the engine of a file: those of the index and of the run looked at last stay open."""
        engine = self._engines.get(shard)
        if engine is None:
            for other in [name for name in self._engines if name != INDEX_SHARD_NAME]:
                self._close(other)
            engine = db.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            db.event.listen(engine, "connect", _settle)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
        return engine

    def _close(self, shard: str) -> None:
        if engine := self._engines.pop(shard, None):
            engine.dispose()


def _settle(connection: SqliteConnection, _: object) -> None:
    connection.execute("pragma synchronous = normal")


class HomeStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files below a folder: what `dagster.yaml` names as `storage`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = EventLog(str(Path(base_dir) / "history" / "runs"))

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: SqliteStorageConfig,  # type: ignore[override]  # as Dagster's own has it
    ) -> HomeStorage:
        # Dagster's own makes the class it stands in, not the one it is called on.
        Path(config_value["base_dir"]).mkdir(parents=True, exist_ok=True)
        return cls(config_value["base_dir"], inst_data)
