"""Who is measured: programs for both ends of a line, and where their libraries are installed."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ENDS: Final = Path(__file__).parent / "ends"
STORE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ipfi-serial" / "benchmarks"
)
INSTALL_S: Final = 600.0


class Unavailable(Exception):  # noqa: N818 - a reason, not a fault
    """Why a peer cannot be measured here."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One candidate.

    Attributes:
        name: in tables.
        script: of :data:`ENDS`; both roles are in it.
        packages: what its own virtual environment needs; none: it runs in ours.
        medium: what carries it.
        place: where its client connects; None: a pty, whose other side its server gets.
        home: name of its environment; that of its script if "".
    """

    name: str
    script: str
    packages: tuple[str, ...] = ()
    medium: str = "pty"
    place: str | None = None
    home: str = ""

    @property
    def environment(self) -> Path:
        """Its virtual environment."""
        return STORE / (self.home or self.script.removesuffix(".py").removesuffix("_ends"))

    @property
    def python(self) -> str:
        """The interpreter that runs it.

        Raises:
            Unavailable: it is not installed.
        """
        if not self.packages:
            return sys.executable
        python = self.environment / "bin" / "python"
        if not python.exists():
            raise Unavailable("not installed: python -m tests.benchmarks --setup")
        return str(python)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that it runs with: none that would find another package."""
        hidden = ("COV", "PYTHONPATH") if self.packages else ("COV",)
        return {k: v for k, v in os.environ.items() if not k.startswith(hidden)}

    def install(self) -> str | None:
        """Install it in its environment; return why that failed, or None."""
        if not self.packages:
            return None
        return install(self.environment, self.packages)


def install(environment: Path, words: Sequence[str], **variables: str) -> str | None:
    """Run ``pip install`` in an environment, made if there is none; return what failed, or None."""
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *words]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
            env={**os.environ, **variables},
        )
    except subprocess.TimeoutExpired:
        return f"pip took more than {INSTALL_S:.0f} s"
    return None if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


FLOOR: Final = Peer("select ping-pong (floor)", "floor.py")
FLOOR_AIO: Final = Peer("add_reader ping-pong (floor)", "floor_aio.py")
BOARD: Final = Peer("ipfi-serial, C at the far end", "ours.py", medium="pty", place="sim:c")
OURS: Final = Peer("ipfi-serial, blocking", "ours.py")
OURS_AIO: Final = Peer("ipfi-serial, asyncio", "ours_aio.py")
COMPILED: Final = ("ipfi-serial",)  # the wheel of compiled.py
BOARD_COMPILED: Final = Peer(
    "ipfi-serial compiled, C at the far end", "ours.py", COMPILED, place="sim:c", home="compiled"
)
OURS_COMPILED: Final = Peer("ipfi-serial compiled, blocking", "ours.py", COMPILED, home="compiled")
OURS_AIO_COMPILED: Final = Peer(
    "ipfi-serial compiled, asyncio", "ours_aio.py", COMPILED, home="compiled"
)
MPCONN: Final = Peer("multiprocessing.connection", "mpconn.py")
JSON_LINES: Final = Peer("buffered JSON lines", "jsonlines.py")
ERPC: Final = Peer("eRPC", "erpc_ends.py", ("erpc==1.14.0",))
PW_RPC: Final = Peer("pw_rpc + HDLC", "pw_rpc_ends.py", ("pigweed==0.0.24", "protobuf<6"))
RPYC: Final = Peer("rpyc", "rpyc_ends.py", ("rpyc>=6,<7",))
GRPCIO: Final = Peer("grpcio", "grpcio_ends.py", ("grpcio",), medium="unix")
BELLOWS: Final = Peer("bellows ASH", "bellows_ends.py", ("bellows",))
SERIAL_TRANSFER: Final = Peer("pySerialTransfer", "pyserialtransfer_ends.py", ("pySerialTransfer",))
PEERS: Final = (MPCONN, JSON_LINES, ERPC, PW_RPC, RPYC, GRPCIO, BELLOWS, SERIAL_TRANSFER)
OURSELVES: Final = (BOARD, BOARD_COMPILED, OURS, OURS_COMPILED, OURS_AIO, OURS_AIO_COMPILED)
EVERYBODY: Final = (FLOOR, FLOOR_AIO, *OURSELVES, *PEERS)


def setup() -> dict[str, str]:
    """Install every peer; return the reasons of those that failed."""
    return {peer.name: why for peer in PEERS if (why := peer.install()) is not None}
