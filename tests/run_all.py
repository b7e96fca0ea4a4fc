"""Everything that must be green on main: linters, types, walls between packages, generated files, tests.

Called by `python3 bootstrap.py test`; arguments are handed to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

LINTERS = {
    "ruff check": [BIN / "ruff", "check", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "mypy": [BIN / "mypy"],
    "import-linter": [BIN / "lint-imports", "--no-cache"],
    "sqlfluff": [BIN / "sqlfluff", "lint", "--nocolor", "dbt_project/models", "dbt_project/tests"],
    "generated files": [BIN / "faellesdata", "systems", "generate", "--check"],
}
# Which tests keep together, `tests/conftest.py` says, and that the long ones come first.
PYTEST = [
    *(BIN / "python", "-m", "pytest", "--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
    *("--durations", "25", *sys.argv[1:]),
]


def main() -> int:
    """Run all steps, the later ones too when an earlier one fails, and return 1 if any failed."""
    # Tests and tools see the same settings wherever they run, and nothing of the caller's own installation.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FAELLESDATA_", "DAGSTER_", "DBT_"))}
    environment |= {"DO_NOT_TRACK": "1", "PYTHONUTF8": "1"}
    began, failed = time.monotonic(), []
    # The linters take what the tests leave of the processors: a tenth, while they wait for one another or for a server.
    tests = subprocess.Popen([str(part) for part in PYTEST], cwd=ROOT, env=environment)
    for name, command in LINTERS.items():
        done = subprocess.run(
            [str(part) for part in command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            failed.append(name)
        print(f"\n--- {name}: {'ok' if done.returncode == 0 else done.stdout.decode()}", flush=True)
    if tests.wait() != 0:
        failed.append("pytest")
    print(f"--- {time.monotonic() - began:.0f} s: {'failed ' + ', '.join(failed) if failed else 'ok'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
