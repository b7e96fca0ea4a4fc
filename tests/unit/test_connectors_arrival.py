"""When a delivery is whole, and where its files go afterwards."""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from connectors_support import TABLE, batches, column, context, rows, system

from ingestion.connectors import folders
from ingestion.connectors.base import SourceError
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register.model import System


def delivered(
    folder: Path, connection: dict[str, Any] | None = None, columns: tuple[str, ...] = ("id",), **source: Any
) -> System:
    return system(
        {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}, **(connection or {})},
        {"format": "csv", "glob": "*.csv", **source},
        {name: column() for name in columns},
        write="append",
    )


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "a.csv").write_text("id\n1\n2\n")
    return folder


def ids(of: System, into: Any) -> list[str]:
    return [row["id"] for row in rows(of, into)]


def test_a_file_waits_for_its_ok(drop: Path, tmp_path: Path) -> None:
    table = delivered(drop, companion="{stem}.ok")
    assert ids(table, context(tmp_path)) == []
    (drop / "a.ok").touch()
    assert ids(table, context(tmp_path)) == ["1", "2"]
    (drop / "a.csv").write_text("id\n3")
    os.utime(drop / "a.ok", (1, 1))
    assert ids(table, context(tmp_path)) == [], "the .ok is yesterday's, and today's file is still being written"


def test_a_file_that_grows_between_two_looks_waits(drop: Path, tmp_path: Path) -> None:
    (drop / "b.csv").write_text("id\n3\n")

    def grow() -> None:
        time.sleep(0.3)
        (drop / "a.csv").write_text("id\n1\n2\n22\n")

    growing = threading.Thread(target=grow)
    growing.start()
    assert ids(delivered(drop, {"stable_seconds": 1}), context(tmp_path)) == ["3"]
    growing.join()


def test_a_clock_that_is_hours_ahead_keeps_no_file_waiting(drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.connectors.files._LOOK_SECONDS", 1)
    for name, ahead in (("b.csv", 7_200), ("c.csv", 7_200), ("d.csv", 30)):
        (drop / name).write_text("id\n3\n")
        os.utime(drop / name, (time.time() + ahead,) * 2)
    growing = threading.Timer(0.3, lambda: (drop / "c.csv").write_text("id\n3\n4\n"))
    growing.start()
    table = delivered(drop, {"quiet_seconds": 60})
    assert [row["_source_ref"] for row in rows(table, context(tmp_path))] == ["b.csv"]
    growing.join()


def test_open_hubs_control_file_counts_the_rows(drop: Path, tmp_path: Path) -> None:
    table = delivered(drop, control={"name": "S_{name}", "rows": r"RECORDS;0*(?P<rows>\d+)"}, glob="[!S]*.csv")
    assert ids(table, context(tmp_path)) == []
    (drop / "S_a.csv").write_text("DATE;20261122\nRECORDS;0000000002\n")
    found = context(tmp_path)
    assert ids(table, found) == ["1", "2"]
    assert found.source_rows == 2
    table = delivered(drop, control={"name": "S_{name}", "rows": r"RECORDS;(?P<rows>.*)"}, glob="[!S]*.csv")
    (drop / "a.csv").write_text("id\n" + "1\n" * 1_234)
    (drop / "S_a.csv").write_text("RECORDS;1.234\n")
    assert sum(batch.num_rows for batch in batches(table, context(tmp_path))) == 1_234
    (drop / "S_a.csv").write_text("RECORDS;1,5\n")
    with pytest.raises(SourceError, match=r"S_a\.csv gives '1,5' as the count of rows"):
        ids(table, context(tmp_path))
    (drop / "a.csv").write_text("id\n1\n2\n")
    (drop / "S_a.csv").write_text("RECORDS;3\n")
    with pytest.raises(SourceError, match=r"S_a\.csv counts 3, a\.csv has 2\. Have both sent again"):
        ids(table, context(tmp_path))
    (drop / "S_a.csv").write_text("DATE;20261122\n")
    with pytest.raises(SourceError, match="tells no count"):
        ids(table, context(tmp_path))


def test_rejects_count_as_delivered(drop: Path, tmp_path: Path) -> None:
    (drop / "a.csv").write_text("id;x\n1;2\n1;2;3\n")
    (drop / "a.ctl").write_text("rows=2")
    found = context(tmp_path)
    assert ids(delivered(drop, control={"name": "{stem}.ctl", "rows": r"rows=(?P<rows>\d+)"}), found) == ["1"]
    assert (found.source_rows, found.rejects) == (2, 1)


def test_a_meta_file_names_the_general_columns(drop: Path, tmp_path: Path) -> None:
    (drop / "a.csv").unlink()
    general = "CPR;Dato1;Tekst1;Tekst2;Tekst3\n"
    (drop / "Data_sofus.csv").write_text(f"{general}0101010001;2026-11-22;Skolen;x; \n", encoding="utf-8-sig")
    table = delivered(drop, glob="Data_*.csv", headings="Meta_{tail}", columns=("CPR", "Henvist dato", "Henviser"))
    assert rows(table, context(tmp_path)) == []
    (drop / "Meta_sofus.csv").write_text(f"{general};Henvist dato;Henviser;;\n", encoding="utf-8-sig")
    row = rows(table, context(tmp_path))[0]
    assert [row[name] for name in ("cpr", "henvist_dato", "henviser", "tekst2")] == ["0101010001", "2026-11-22", "Skolen", "x"]
    assert "tekst3" not in row, "without name and content, a general column of the template is none of this delivery's"


@pytest.mark.parametrize("template", ["{nam}.ok", "{", "{0}"])
def test_a_name_that_cannot_be_made_is_an_error_in_the_register(drop: Path, template: str) -> None:
    with pytest.raises(ValueError, match="alone"):
        delivered(drop, companion=template)


def test_a_snapshot_has_no_archive(drop: Path) -> None:
    with pytest.raises(ValueError, match="`archive` takes files away"):
        system(
            {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}},
            {"format": "csv", "glob": "*", "archive": "arkiv"},
            {"id": column()},
        )


def names(drop: Path) -> list[str]:
    """What lies in the drop, without the time and digest that put-away files carry."""
    found = (path.relative_to(drop) for path in drop.rglob("*") if path.is_file())
    return sorted(str(path.with_name(re.sub(r"^\d{8}T\d{6}Z_[0-9a-f]{8}_", "", path.name))) for path in found)


def landed(home: Home) -> list[str]:
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        return [row[0] for row in connection.execute(f"select id from raw.{TABLE} order by id").fetchall()]


def test_published_files_are_archived_and_unreadable_ones_set_apart(drop: Path, tmp_path: Path) -> None:
    home, table = Home(tmp_path / "home"), delivered(drop, archive="arkiv", failed="fejl", companion="{name}.ok")
    (drop / "a.csv.ok").touch()
    assert land_system(table, home).failed == []
    assert names(drop) == ["arkiv/a.csv", "arkiv/a.csv.ok"]
    (drop / "b.csv").write_bytes(b"id\n\xff\n")
    (drop / "b.csv.ok").touch()
    assert land_system(table, home).failed == [TABLE]
    assert names(drop) == ["arkiv/a.csv", "arkiv/a.csv.ok", "fejl/b.csv", "fejl/b.csv.ok"]
    assert land_system(table, home).tables[TABLE].status == "unchanged"
    assert landed(home) == ["1", "2"]


def test_a_load_killed_before_it_archives_loads_nothing_twice(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, table = Home(tmp_path / "home"), delivered(drop, glob="**/*.csv", archive="arkiv")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ingestion.connectors.files.put_away", killed)
        with pytest.raises(KeyboardInterrupt):
            land_system(table, home)
    assert names(drop) == ["a.csv"]
    assert land_system(table, home).tables[TABLE].status == "unchanged"
    assert names(drop) == ["arkiv/a.csv"]
    (drop / "a.csv").write_text("id\n3\n")
    land_system(table, home)
    assert landed(home) == ["3"], "a corrected file replaces its own rows"
    assert names(drop) == ["arkiv/a.csv", "arkiv/a.csv"]


def test_a_load_killed_while_it_archives_leaves_nothing_that_belonged_to_the_file(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, table = Home(tmp_path / "home"), delivered(drop, archive="arkiv", companion="{name}.ok")
    (drop / "a.csv.ok").touch()
    real, moved = folders._Local.move, []

    def killed(self: folders._Local, name: str, target: str) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(name)
        real(self, name, target)

    with monkeypatch.context() as patched:
        patched.setattr(folders._Local, "move", killed)
        with pytest.raises(KeyboardInterrupt):
            land_system(table, home)
    assert land_system(table, home).tables[TABLE].status == "unchanged"
    assert names(drop) == ["arkiv/a.csv", "arkiv/a.csv.ok"]


def test_a_file_that_is_delivered_once_more_is_put_away_too(drop: Path, tmp_path: Path) -> None:
    home, table = Home(tmp_path / "home"), delivered(drop, archive="arkiv")
    land_system(table, home)
    (drop / "a.csv").write_text("id\n1\n2\n")
    os.utime(drop / "a.csv", (1, 1))
    assert land_system(table, home).tables[TABLE].status == "unchanged"
    assert names(drop) == ["arkiv/a.csv", "arkiv/a.csv"]
    assert landed(home) == ["1", "2"]


def test_a_file_that_cannot_be_moved_keeps_no_other_from_it(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (drop / "b.csv").write_text("id\n3\n")
    real = folders._Local.move

    def held(self: folders._Local, name: str, target: str) -> None:
        if name == "a.csv":
            raise PermissionError(errno.EACCES, "Permission denied", name)
        real(self, name, target)

    monkeypatch.setattr(folders._Local, "move", held)
    assert land_system(delivered(drop, archive="arkiv"), Home(tmp_path / "home")).failed == []
    assert names(drop) == ["a.csv", "arkiv/b.csv"]
    assert "1 files cannot be moved (a.csv: Permission denied)" in caplog.text


def test_a_file_of_two_tables_stays_until_both_have_it(drop: Path, tmp_path: Path) -> None:
    home, table = Home(tmp_path / "home"), delivered(drop, archive="arkiv")
    both = table.model_copy(update={"tables": {TABLE: table.tables[TABLE], "anden": table.tables[TABLE]}})
    land_system(both, home, tables=[TABLE])
    assert names(drop) == ["a.csv"]
    land_system(both, home)
    assert names(drop) == ["arkiv/a.csv"]
