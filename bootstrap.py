"""Set up Fællesdata in `.venv` and run it: `python3 bootstrap.py demo` or `python3 bootstrap.py test`.

Uses the standard library only, so that a fresh machine needs Python 3.11+ and git and nothing else.
Anything but `test` is handed to the `faellesdata` command as it stands.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")


def set_up(lock: Path) -> None:
    """Install exactly what `lock` names, once per state of the lock and of pyproject.toml."""
    digest = hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / f"installed-{lock.stem}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"Setting up .venv from {lock.name} (once; some minutes) ...", flush=True)
    if not (VENV / "pyvenv.cfg").exists():
        venv.create(VENV, with_pip=True)
    pip = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The lock is whole: working out again what needs what takes pip longer than installing it. `pip check` asks whether it was.
    subprocess.run([*pip, "--no-deps", "--no-compile", "--require-hashes", "-r", str(lock)], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", str(ROOT)], check=True)
    subprocess.run([BIN / "python", "-m", "pip", "--disable-pip-version-check", "check"], check=True, stdout=subprocess.DEVNULL)
    # Byte-compiling now, on all cores, more than halves every later start (importing dagster: 3.4 s without, 1.2 s with).
    # Some packages carry files for other Pythons, which do not compile and are never imported: the outcome is not asked for.
    subprocess.run([BIN / "python", "-m", "compileall", "-q", "-j", "0", str(VENV)], check=False, stdout=subprocess.DEVNULL)
    stamp.write_text(digest)


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - older Pythons get this far, and deserve a word
        print(f"Fællesdata needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    arguments = sys.argv[1:] or ["--help"]
    if arguments[0] == "test":
        set_up(ROOT / "requirements-dev.lock")
        return subprocess.call([str(BIN / "python"), str(ROOT / "tests" / "run_all.py"), *arguments[1:]], cwd=ROOT)
    set_up(ROOT / "requirements.lock")
    return subprocess.call([str(BIN / "faellesdata"), *arguments])


if __name__ == "__main__":
    sys.exit(main())
