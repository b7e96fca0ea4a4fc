"""Programs that some tests need, and that a machine may be without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Debian keeps them where only root looks.
_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin"
NGINX = shutil.which("nginx", path=_SBIN)
MARIADB = shutil.which("mariadbd", path=_SBIN)
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
"""Programs of Debian's PostgreSQL. The one that pip brings cannot do TLS."""
AZURITE = shutil.which("azurite-blob")
"""Microsoft's emulator of Azure Blob Storage: `npm install azurite`."""
IMAGE_BASE = os.environ.get("FAELLESDATA_TEST_IMAGE_BASE")
"""An image with Python, to build ours upon: one that is here already, or in a registry that may be reached."""
