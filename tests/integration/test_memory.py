"""However large a file is, a bounded part of it is in memory at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MEGABYTES = 160
ROOT = Path(__file__).parent.parent

MEASURED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from connectors_support import TABLE, column, context, system
from ingestion.connectors import connector_for

drop, work = Path(sys.argv[1]), Path(sys.argv[2])
of = system(
    {{"protocol": "files", "transport": {{"type": "local", "folder": str(drop)}}}},
    {{"format": "csv", "glob": sys.argv[3], "encoding": "cp1252"}},
    {{"id": column()}},
    write="append",
)
into = context(work)
rows = sum(scan.rows for scan in connector_for(of)(of, TABLE, of.tables[TABLE], into))
print(rows, into.rejects, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(tmp_path: Path, name: str) -> tuple[int, int, int]:
    """Read the file in a process of its own; return rows, rejects and the most memory it took, in MiB."""
    script = MEASURED.format(tests=str(ROOT))
    work = tmp_path / name.removesuffix(".csv")
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(work), name],
        capture_output=True, text=True, check=True, timeout=240, cwd=ROOT.parent,
    )  # fmt: skip
    rows, rejects, memory = map(int, done.stdout.split())
    return rows, rejects, memory


def test_a_large_file_takes_little_more_memory_than_a_small_one(tmp_path: Path) -> None:
    line = ("{};" + "æøå 0123456789;" * 9 + "slut\n").encode("cp1252")
    (tmp_path / "lille.csv").write_bytes(b"id;a;b;c;d;e;f;g;h;i;j\n" + line)
    block, many = line * 10_000, MEGABYTES * 1_000_000 // (len(line) * 10_000)
    with (tmp_path / "stor.csv").open("wb") as file:
        file.write(b"id;a;b;c;d;e;f;g;h;i;j\n")
        for number in range(many):
            file.write(block)
            if number == many // 2:
                # A broken line sends its part of the file the careful way, which must not gather lines either.
                file.write(b"for;kort\n")
    small, large = peak(tmp_path, "lille.csv"), peak(tmp_path, "stor.csv")
    assert small[:2] == (1, 0)
    assert large[:2] == (many * 10_000, 1)
    assert large[2] - small[2] < 64, "MiB"
