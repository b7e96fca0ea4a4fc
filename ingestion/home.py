"""Where an installation keeps its state: one folder, laid out here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_NEVER_IN_A_HOME = "%{#'=?*["
_FROM_FILES = ("FAELLESDATA_DAGSTER_POSTGRES", "FAELLESDATA_CELERY", "FAELLESDATA_ALERT_")


@contextmanager
def for_us_alone() -> Iterator[None]:
    """Let what this process makes meanwhile be readable by its user only: DuckDB makes a log beside its file when it likes."""
    previous = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(previous)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give the place where a file is made that then replaces another, so that whoever reads sees all of the one or all of the
    other. A full disk leaves the one, and nothing beside it.
    """
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, text: str, at: datetime | None = None) -> None:
    """Replace a file by one with this text (of the time `at`, if that is not now)."""
    with replaced(path) as draft:
        draft.write_text(text, encoding="utf-8")
        if at:
            os.utime(draft, (at.timestamp(), at.timestamp()))


@dataclass(frozen=True)
class Home:
    """All paths of an installation. Nothing is created by asking for one."""

    path: Path

    @classmethod
    def find(cls, path: Path | str | None = None) -> Home:
        """Return the home at `path`, else at `FAELLESDATA_HOME`, else `./data`; always absolute.

        Raises:
            ValueError: there is a character in its path with which dlt (`%`), dbt (`{`, `#`) or DuckDB (`'`, `=`, `?`, `*`, `[`)
                make something else of it. No load or build would succeed, each with a message of its own.
        """
        found = Path(path or os.environ.get("FAELLESDATA_HOME") or "data").expanduser().resolve()
        if odd := sorted({*_NEVER_IN_A_HOME} & {*str(found)}):
            raise ValueError(f"{found} has {' and '.join(odd)} in its path. Choose another folder as home")
        return cls(found)

    def raw_file(self, system_id: str) -> Path:
        return self.path / "raw" / f"{system_id}.duckdb"

    def quota_file(self, system_id: str) -> Path:
        """Where a system's calls of the day are counted, whatever becomes of its loads."""
        return self.path / "quotas" / f"{system_id}.json"

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def warehouse(self) -> Path:
        return self.path / "warehouse.duckdb"

    @property
    def vault(self) -> Path:
        return self.path / "vault.duckdb"

    @property
    def vault_key(self) -> Path:
        """The vault's key where the installation does not keep it elsewhere."""
        return self.path / "vault.key"

    @property
    def pseudonym_key(self) -> Path:
        """The secret that the purposes' pseudonym keys come from, where the installation does not keep it elsewhere."""
        return self.path / "pseudonym.key"

    @contextmanager
    def draft_of(self, database: Path) -> Iterator[Path]:
        """Give the place where a new database is made, for this user alone. It is there when it is made, and not before: where
        DuckDB is killed meanwhile, or the disk is full, it leaves an empty file that it never opens again.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        draft = database.with_name(f".{database.name}.{os.getpid()}")
        try:
            draft.unlink(missing_ok=True)
            with for_us_alone():
                yield draft
            draft.replace(database)
        finally:
            draft.unlink(missing_ok=True)

    @property
    def published(self) -> Path:
        return self.path / "published"

    @property
    def overview(self) -> Path:
        return self.path / "overview"

    @property
    def dagster(self) -> Path:
        return self.path / "dagster"

    @property
    def dbt(self) -> Path:
        return self.path / "dbt"

    @property
    def manifest(self) -> Path:
        """Dbt's manifest, prepared ahead. It is only ever replaced whole; dbt's own copy in `target/` is not."""
        return self.dbt / "manifest.json"

    @property
    def lineage(self) -> Path:
        """What each column of the warehouse is made of; written with the dbt manifest."""
        return self.dbt / "column_lineage.json"

    @property
    def semantic_manifest(self) -> Path:
        """Dbt's semantic models and metrics; written with the dbt manifest."""
        return self.dbt / "semantic_manifest.json"

    @property
    def metrics(self) -> Path:
        """The metrics as rows, with their SQL; written with the dbt manifest."""
        return self.dbt / "metrics.json"

    @property
    def work(self) -> Path:
        """Private work files of loads under way; whatever a killed load left here is swept by the next."""
        return self.path / "work"

    def make_work(self) -> Path:
        """Make the folder of private work files, for this user alone: databases spill into it what raw files hold."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.work.chmod(0o700)
        return self.work

    @property
    def heartbeat(self) -> Path:
        """Written when a night is over, however it went: its age tells whether nights are run at all."""
        return self.path / "heartbeat.json"

    @property
    def morning_page(self) -> Path:
        """How the last night went, as a page for people."""
        return self.path / "morning" / "index.html"

    @property
    def demo(self) -> Path:
        return self.path / "demo"

    @property
    def connections(self) -> Path:
        return self.path / "connections.env"

    def load_settings(self) -> None:
        """Read `connections.env` (if any) into the environment, and what stands in files of its own; what is set already wins.

        Where a name of `_FROM_FILES` ends in `_FILE`, it names a file with the value, as systemd and containers hand out secrets.
        """
        from dotenv import load_dotenv

        load_dotenv(self.connections, override=False)
        for name, path in list(os.environ.items()):
            if name.startswith(_FROM_FILES) and name.endswith("_FILE"):
                os.environ.setdefault(name.removesuffix("_FILE"), Path(path).read_text(encoding="utf-8").strip())
