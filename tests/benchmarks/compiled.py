"""The compiled wheel of this very tree, in an environment of its own, beside the pure package."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.benchmarks.peers import OURS_COMPILED, install

ROOT: Final = Path(__file__).parent.parent.parent
HOME: Final = OURS_COMPILED.environment
STAMP: Final = HOME / "built-from"


def refresh() -> str | None:
    """Build and install it unless it was built from what is here; return why that failed."""
    wanted = digest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return None
    sys.stderr.write("building the compiled wheel\n")
    STAMP.unlink(missing_ok=True)
    why = install(HOME, ["--force-reinstall", str(ROOT)], IPFI_COMPILE="1")
    if why is None and not _is_compiled():
        why = "what was installed is not compiled"
    if why is None:
        STAMP.write_text(wanted)
    else:
        (HOME / "bin" / "python").unlink(missing_ok=True)  # an older wheel must not stand in for it
    return why


def _is_compiled() -> bool:
    look = "import ipfi_serial, sys; sys.exit(not ipfi_serial.__compiled__)"
    command = [str(HOME / "bin" / "python"), "-c", look]
    done = subprocess.run(command, cwd=HOME, check=False, env=OURS_COMPILED.variables)  # noqa: S603
    return done.returncode == 0


def digest() -> str:
    """Return a hash of what the wheel is made of, and of what makes it."""
    sources = [
        *sorted((ROOT / "ipfi_serial").rglob("*.py")),
        *sorted((ROOT / "firmware-sim").rglob("*.[ch]")),
        ROOT / "pyproject.toml",
    ]
    seen = hashlib.sha256(sys.version.encode())
    for path in sources:
        seen.update(f"{path.relative_to(ROOT)} ".encode())
        seen.update(path.read_bytes())
    return seen.hexdigest()
