"""Who is measured: programs for both ends of a line, and where their libraries are installed."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
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
    """

    name: str
    script: str
    packages: tuple[str, ...] = ()
    medium: str = "pty"
    place: str | None = None

    @property
    def environment(self) -> Path:
        """Its virtual environment."""
        return STORE / self.script.removesuffix(".py").removesuffix("_ends")

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

    def install(self) -> str | None:
        """Install it in its environment; return why that failed, or None."""
        if not self.packages:
            return None
        if not (self.environment / "bin" / "python").exists():
            venv.create(self.environment, with_pip=True)
        command = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter
                [*command, *self.packages],
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"pip took more than {INSTALL_S:.0f} s"
        return None if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


FLOOR: Final = Peer("select ping-pong (floor)", "floor.py")
FLOOR_AIO: Final = Peer("add_reader ping-pong (floor)", "floor_aio.py")
BOARD: Final = Peer("ipfi-serial, C at the far end", "ours.py", medium="pty", place="sim:c")
OURS: Final = Peer("ipfi-serial, blocking", "ours.py")
OURS_AIO: Final = Peer("ipfi-serial, asyncio", "ours_aio.py")
MPCONN: Final = Peer("multiprocessing.connection", "mpconn.py")
JSON_LINES: Final = Peer("buffered JSON lines", "jsonlines.py")
ERPC: Final = Peer("eRPC", "erpc_ends.py", ("erpc==1.14.0",))
PW_RPC: Final = Peer("pw_rpc + HDLC", "pw_rpc_ends.py", ("pigweed==0.0.24", "protobuf<6"))
RPYC: Final = Peer("rpyc", "rpyc_ends.py", ("rpyc>=6,<7",))
GRPCIO: Final = Peer("grpcio", "grpcio_ends.py", ("grpcio",), medium="unix")
BELLOWS: Final = Peer("bellows ASH", "bellows_ends.py", ("bellows",))
SERIAL_TRANSFER: Final = Peer("pySerialTransfer", "pyserialtransfer_ends.py", ("pySerialTransfer",))
PEERS: Final = (MPCONN, JSON_LINES, ERPC, PW_RPC, RPYC, GRPCIO, BELLOWS, SERIAL_TRANSFER)
EVERYBODY: Final = (FLOOR, FLOOR_AIO, BOARD, OURS, OURS_AIO, *PEERS)


def setup() -> dict[str, str]:
    """Install every peer; return the reasons of those that failed."""
    return {peer.name: why for peer in PEERS if (why := peer.install()) is not None}
