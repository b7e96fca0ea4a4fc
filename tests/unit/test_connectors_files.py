"""Which files are read, and when."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unicodedata import normalize

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connectors_support import TABLE, column, context, rows, system

from ingestion.connectors import csv, folders
from ingestion.connectors.base import SourceError
from ingestion.connectors.files import put_away
from ingestion.extract import extract


def files_system(folder: Path, write: str = "append", **connection: Any):
    return system(
        {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}, **connection},
        {"format": "csv", "glob": "f*.csv"},
        {"id": column()},
        write=write,
    )


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    for name, value in (("f2.csv", 2), ("f1.csv", 1), ("other.csv", 9)):
        (folder / name).write_text(f"id\n{value}\n")
    return folder


def ids(of: Any, into: Any) -> list[str]:
    return [row["id"] for row in rows(of, into)]


def test_files_come_by_name_and_once(drop: Path, tmp_path: Path) -> None:
    first = context(tmp_path)
    assert ids(files_system(drop), first) == ["1", "2"]
    second = context(tmp_path, files_seen=first.files_loaded)
    assert ids(files_system(drop), second) == []
    assert second.files_loaded == {}


def test_a_changed_file_comes_again_and_a_touched_one_does_not(drop: Path, tmp_path: Path) -> None:
    first = context(tmp_path)
    ids(files_system(drop), first)
    (drop / "f1.csv").write_text("id\n11\n")
    os.utime(drop / "f2.csv", (1, 1))
    second = context(tmp_path, files_seen=first.files_loaded)
    assert ids(files_system(drop), second) == ["11"]
    assert list(second.files_loaded) == ["f1.csv"]


def test_a_file_that_changes_within_a_second_and_keeps_its_size_comes_again(drop: Path, tmp_path: Path) -> None:
    os.utime(drop / "f1.csv", ns=(10**18, 10**18))
    first = context(tmp_path)
    ids(files_system(drop), first)
    (drop / "f1.csv").write_text("id\n7\n")
    os.utime(drop / "f1.csv", ns=(10**18, 10**18 + 5 * 10**6))
    assert ids(files_system(drop), context(tmp_path, files_seen=first.files_loaded)) == ["7"]


def test_a_snapshot_is_read_whole_when_any_file_is_new(drop: Path, tmp_path: Path) -> None:
    first = context(tmp_path)
    ids(files_system(drop, "replace"), first)
    assert ids(files_system(drop, "replace"), context(tmp_path, files_seen=first.files_loaded)) == []
    (drop / "f3.csv").write_text("id\n3\n")
    assert ids(files_system(drop, "replace"), context(tmp_path, files_seen=first.files_loaded)) == ["1", "2", "3"]


def test_of_dated_snapshots_the_newest_is_read_alone(drop: Path, tmp_path: Path) -> None:
    """Read together, everybody who had ever been in one of them would still be there."""
    where = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}, "quiet_seconds": 60}
    for name, age in (("f2.csv", 3_600), ("f3.csv", 0)):
        (drop / name).write_text(f"id\n{name}\n")
        os.utime(drop / name, (time.time() - age,) * 2)
    of = system(where, {"format": "csv", "glob": "f*.csv", "newest": True}, {"id": column()})
    assert ids(of, context(tmp_path)) == [], "the newest is still being written"
    os.utime(drop / "f3.csv", (1, 1))
    found = context(tmp_path)
    assert ids(of, found) == ["f3.csv"]
    assert ids(of, context(tmp_path, files_seen=found.files_loaded)) == []
    with pytest.raises(ValueError, match="`newest` passes over all files but one"):
        system(where, {"format": "csv", "glob": "f*.csv", "newest": True}, {"id": column()}, write="append")


def test_a_file_still_being_written_waits_and_holds_back_a_snapshot(drop: Path, tmp_path: Path) -> None:
    old = time.time() - 3600
    os.utime(drop / "f1.csv", (old, old))
    assert ids(files_system(drop, quiet_seconds=60), context(tmp_path)) == ["1"]
    assert ids(files_system(drop, "replace", quiet_seconds=60), context(tmp_path)) == []


def test_a_file_that_fails_is_not_taken_as_loaded(drop: Path, tmp_path: Path) -> None:
    (drop / "f2.csv").write_bytes(b"id\n\xff\n")
    found = context(tmp_path)
    with pytest.raises(SourceError, match=r"f2\.csv:2: byte 0xff"):
        rows(files_system(drop), found)
    assert list(found.files_loaded) == ["f1.csv"]


def test_a_file_whose_name_is_masked_is_told_by_its_time_and_size(drop: Path, tmp_path: Path) -> None:
    """A date and a time in a name read as a CPR number."""
    broken = drop / "f_271126_0830.csv"
    broken.write_bytes(b"id\n\xff\n")
    os.utime(broken, (datetime(2026, 11, 27, 7, 31, tzinfo=UTC).timestamp(),) * 2)
    with pytest.raises(SourceError, match=r"f_######-####\.csv:2: .* \(the file of 27-11-2026 kl\. 08\.31, 5 bytes\)$"):
        rows(files_system(drop), context(tmp_path))


@pytest.mark.parametrize("change", ["grows", "grows and is broken", "goes"])
def test_a_file_that_changes_while_it_is_read_fails(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real = csv._cut

    def changing(path: Path, ref: str, *rest: Any) -> Iterator[Any]:
        if change == "goes":
            (drop / ref).unlink()
        else:
            with (drop / ref).open("ab") as more:
                more.write(b"\xff" if "broken" in change else b"2\n")
        yield from real(path, ref, *rest)

    monkeypatch.setattr(csv, "_cut", changing)
    found = context(tmp_path)
    with pytest.raises(SourceError, match=r"f1\.csv changed while it was read"):
        rows(files_system(drop), found)
    assert not found.files_loaded
    assert not found.failed_files
    assert not (found.workdir / "fetched-00000").is_symlink()


def test_a_file_on_the_same_disk_is_read_where_it_lies_and_stays(drop: Path, tmp_path: Path) -> None:
    with folders.opened(files_system(drop)) as folder:
        folder.fetch("f1.csv", tmp_path / "fetched")
    assert (tmp_path / "fetched").readlink() == drop / "f1.csv"
    assert ids(files_system(drop), context(tmp_path)) == ["1", "2"]
    assert sorted(path.name for path in drop.iterdir()) == ["f1.csv", "f2.csv", "other.csv"]
    assert (drop / "f1.csv").read_text() == "id\n1\n"


def test_where_no_links_are_made_it_is_copied(drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, target: Path) -> None:
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refused)
    assert ids(files_system(drop), context(tmp_path)) == ["1", "2"]


def test_a_file_of_another_disk_is_copied(drop: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other, folders.opened(files_system(drop)) as folder:
        folder.fetch("f1.csv", Path(other) / "fetched")
        assert not (Path(other) / "fetched").is_symlink()
        assert (Path(other) / "fetched").read_text() == "id\n1\n"


def test_links_out_of_the_folder_are_not_followed(drop: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("id\nhemmelig\n")
    (drop / "f9.csv").symlink_to(tmp_path / "secret")
    assert ids(files_system(drop), context(tmp_path)) == ["1", "2"]


def test_a_name_is_the_same_however_its_letters_are_put_together(drop: Path, tmp_path: Path) -> None:
    for name in ("få-2026.csv", "får.csv"):
        (drop / normalize("NFD", name)).write_text("id\n3\n")
    source = {"format": "csv", "glob": "få-*.csv", "name_pattern": r"få-(?P<aar>\d+)\.csv"}
    where = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    of = system(where, source, {"id": column(), "aar": column()}, write="append")
    assert [(row["id"], row["aar"]) for row in rows(of, context(tmp_path))] == [("3", "2026")]


def test_a_name_that_is_no_utf8_is_read_and_hides_no_other(drop: Path, tmp_path: Path) -> None:
    (drop / "other.csv").rename(drop / os.fsdecode("føl.csv".encode("cp1252")))
    source = {"format": "csv", "glob": "f*.csv", "archive": "arkiv"}
    where = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    of, found = system(where, source, {"id": column()}, write="append"), context(tmp_path)
    assert [(row["id"], row["_source_ref"]) for row in rows(of, found)] == [("1", "f1.csv"), ("2", "f2.csv"), ("9", "føl.csv")]
    put_away(of, {TABLE: found.files_loaded}, {})
    assert sorted(path.name.rpartition("_")[2] for path in drop.iterdir() if path.is_file()) == []
    assert sorted(path.name.rpartition("_")[2] for path in (drop / "arkiv").iterdir()) == ["f1.csv", "f2.csv", "føl.csv"]


def test_a_file_that_goes_while_the_folder_is_listed(drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = folders._Local.stat

    def going(self: Any, name: str) -> Any:
        if name == "other.csv":
            (drop / name).unlink()
        return real(self, name)

    monkeypatch.setattr(folders._Local, "stat", going)
    assert ids(files_system(drop), context(tmp_path)) == ["1", "2"]


def test_what_programs_lay_beside_the_files_is_none_of_them(drop: Path, tmp_path: Path) -> None:
    """Excel's mark that somebody has the workbook open stopped the load for as long as that."""
    for name in ("~$f1.csv", "._f1.csv", ".f3.csv.Ab3dE", ".snapshot/f1.csv", "F4.CSV", "below/f5.csv"):
        (drop / name).parent.mkdir(exist_ok=True)
        (drop / name).write_text("id\n4\n" if name == "F4.CSV" else "\0")
    (drop / "other.csv").unlink()
    (drop / "below/f5.csv").write_text("id\n5\n")

    def found(glob: str) -> list[str]:
        where = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
        return ids(system(where, {"format": "csv", "glob": glob}, {"id": column()}, write="append"), context(tmp_path))

    assert found("*") == ["4", "1", "2"]
    assert found("**/*.csv") == ["4", "5", "1", "2"]
    (drop / "._f1.csv").write_text("id\n9\n")
    assert found("._f*.csv") == ["9"]


def test_nothing_delivered_is_told(drop: Path, tmp_path: Path) -> None:
    for path in drop.iterdir():
        path.unlink()
    with pytest.raises(SourceError, match=r"no file in .* matches f\*\.csv \(the folder is empty\)"):
        rows(files_system(drop), context(tmp_path))
    with pytest.raises(SourceError, match="is not there"):
        rows(files_system(tmp_path / "nowhere"), context(tmp_path))


def test_files_may_spell_a_heading_differently(drop: Path, tmp_path: Path) -> None:
    (drop / "f1.csv").write_text("ID\n11\n")
    assert ids(files_system(drop), context(tmp_path)) == ["11", "2"]


@pytest.mark.parametrize("kind", ["csv", "excel", "parquet"])
def test_a_column_that_one_of_several_files_lacks_is_missing(drop: Path, tmp_path: Path, kind: str) -> None:
    """Others have it, and so had the table; the rows of this one would lose it in silence."""
    for name, titles in (("a", ["id", "dag"]), ("b010190-1234", ["id", "dato"]), ("c", ["id"])):
        rows_of = [] if name == "c" else [["1", "2026-01-31"]]
        if kind == "csv":
            (drop / name).write_text("".join(";".join(line) + "\n" for line in (titles, *rows_of)))
        elif kind == "excel":
            book = openpyxl.Workbook()
            for line in (titles, *rows_of):
                book.worksheets[0].append(line)
            book.save(drop / name)
        else:
            pq.write_table(pa.table([[row[at] for row in rows_of] for at in range(len(titles))], titles), drop / name)
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    source = {"format": kind, "glob": "[abc]*", **({"sheet": "*"} if kind == "excel" else {})}
    for more, lacks in (({}, "fail"), ({"on_missing_column": "warn"}, "warn")):
        of = system(connection, source, {"id": column(), "dag": column()}, write="append", **more)
        (folder := tmp_path / lacks).mkdir()
        if lacks == "fail":
            with pytest.raises(SourceError, match=r"the source no longer gives 'dag' \(b######-####[#)]"):
                extract(of, TABLE, of.tables[TABLE], context(folder))
        else:
            assert extract(of, TABLE, of.tables[TABLE], context(folder)).missing_columns == ["dag"]


def test_a_file_in_which_no_record_has_the_key_fails_beside_good_ones(drop: Path, tmp_path: Path) -> None:
    (drop / "a.json").write_text('[{"id": 1, "navn": "x"}]')
    (drop / "b.json").write_text('[{"nr": 2}]')
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    of = system(connection, {"format": "json", "glob": "*.json"}, {"id": column(), "navn": column()}, write="append")
    with pytest.raises(SourceError, match=r"no longer gives 'id' \(b\.json\)"):
        extract(of, TABLE, of.tables[TABLE], context(tmp_path))
    (drop / "b.json").write_text('[{"id": 2}]')
    assert extract(of, TABLE, of.tables[TABLE], context(tmp_path)).rows == 2


@pytest.mark.parametrize("beside", [True, False])
def test_a_record_without_its_key_keeps_no_small_delivery_back(drop: Path, tmp_path: Path, beside: bool) -> None:
    """A night's delta may be one record: it is set aside. Of many, or with a new name beside, the key is called otherwise."""
    if beside:
        (drop / "a.json").write_text('[{"id": 1, "navn": "x"}]')
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    of = system(connection, {"format": "json", "glob": "*.json"}, {"id": column(), "navn": column()}, write="merge")
    many = ",".join(['{"navn": "y"}'] * 10)
    deliveries = {'[{"navn": "y"}]': False, '[{"navn": "y", "nr": 2}]': True, f"[{many}]": True}
    for number, (content, fails) in enumerate(deliveries.items()):
        (drop / "b.json").write_text(content)
        (folder := tmp_path / str(number)).mkdir()
        into = context(folder)
        if fails:
            with pytest.raises(SourceError, match=r"no longer gives 'id' \(b\.json\)"):
                extract(of, TABLE, of.tables[TABLE], into)
        else:
            assert extract(of, TABLE, of.tables[TABLE], into).rows == int(beside)
            assert into.rejects == 1
        into.close()


def test_a_small_snapshot_without_keys_takes_the_place_of_nothing(drop: Path, tmp_path: Path) -> None:
    """Of a delta such a record is set aside; here all that is stored would make way for rows that nobody can tell apart."""
    (drop / "b.json").write_text('[{"navn": "y"}]')
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    of = system(connection, {"format": "json", "glob": "*.json"}, {"id": column(), "navn": column()}, write="replace")
    with pytest.raises(SourceError, match=r"no longer gives 'id' \(b\.json\)"):
        extract(of, TABLE, of.tables[TABLE], context(tmp_path))
