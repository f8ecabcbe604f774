"""The C library as one end of a simulated wire: builds it, drives it, reads its log."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from ipfi_serial.link.states import LinkInput, LinkState
from tests.simulation.end import Ended, Entry, News, Served, SimulatedEnd, Went
from tests.simulation.plan import Call, EndPlan
from tests.simulation.truth import FLOW, WORK, Operation, arguments_of

HERE: Final = Path(__file__).parent
FIRMWARE: Final = HERE.parents[1] / "firmware-sim"
FLAGS: Final = ("-std=c99", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror")
EXTRA: Final = os.environ.get("SIMULATION_CFLAGS", "")  # -fsanitize=undefined ...
INPUTS: Final = (  # in the order of ipfi_input_t
    LinkInput.LISTEN,
    LinkInput.OPEN,
    LinkInput.HELLO_ACKED,
    LinkInput.CONFIRMED,
    LinkInput.PEER_READY,
    LinkInput.LOST_ACTIVE,
    LinkInput.LOST_PASSIVE,
    LinkInput.CLOSE,
)
STATES: Final = tuple(LinkState)  # in the order of ipfi_state_t
ESTABLISHED: Final = STATES.index(LinkState.ESTABLISHED)
CALLED, STOPPED, NEWS_CAME, ENDED, VALUE_CAME, HAPPENED = range(1, 7)  # entry_t of end.c
UP, DOWN, REFUSED, ECHO = 1, 2, 3, 4
DOWN_CLOSED: Final = 0
ANSWERED, VALUE, FAILED, TIMED_OUT, CANCELLED, TOO_LARGE, LOST = range(7)
OUTCOMES: Final = ("answered", "value", "failed", "timed out", "cancelled", "too large", "lost")
LOG_USED, DUE, DUE_MS, STATE, TX_USED, _, BAD, FLUSHED = range(8)  # status_t of end.c
MASK: Final = 0xFFFFFFFF
_HEAD: Final = struct.Struct("<IIII")


def _compiler() -> str:
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise RuntimeError("no C compiler: install gcc")


@cache
def library() -> ctypes.CDLL:
    """Build the shared object, or find the one of the same sources, and load it."""
    sources = sorted((FIRMWARE / "src").glob("*.c"))
    inputs = [*sources, *sorted(FIRMWARE.glob("*/*.h")), *sorted(FIRMWARE.glob("include/*/*.h"))]
    inputs += [HERE / "end.c", HERE / "transitions.h"]
    contents = [path.read_bytes() for path in inputs]
    digest = hashlib.sha256(b"".join([EXTRA.encode(), *contents])).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"ipfi-simulation-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"{digest}.so"
    if not target.exists():
        _build(target, sources)
    c = ctypes.CDLL(str(target))
    for name in ("size", "log_at", "tx_at"):
        getattr(c, f"simulation_{name}").restype = ctypes.c_size_t
    c.simulation_emit.restype = ctypes.c_bool
    c.simulation_seen.restype = ctypes.c_uint32
    return c


def _build(target: Path, sources: list[Path]) -> None:
    """Compile; only link.c is watched at its table of transitions."""
    includes = [f"-I{FIRMWARE / 'include'}", f"-I{FIRMWARE / 'src'}"]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        watched, made = Path(folder) / "link.o", Path(folder) / "made.so"
        base: list[str | Path] = [_compiler(), *FLAGS, *EXTRA.split(), *includes]
        watch: list[str | Path] = [
            "-include",
            HERE / "transitions.h",
            "-c",
            FIRMWARE / "src" / "link.c",
        ]
        others = [path for path in sources if path.name != "link.c"]
        for command in (
            [*base, *watch, "-o", watched],
            [*base, "-shared", watched, *others, HERE / "end.c", "-o", made],
        ):
            done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
            if done.returncode:
                raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")
        made.replace(target)


def transitions() -> set[tuple[LinkState, LinkInput]]:
    """Transitions that ends of this process asked their table for."""
    c = library()
    return {
        (state, happened)
        for s, state in enumerate(STATES)
        for i, happened in enumerate(INPUTS)
        if c.simulation_seen(s, i)
    }


_spare: list[Any] = []  # memory of ends that are gone


class CoreEnd(SimulatedEnd):
    """One end of a wire, in C."""

    serves_itself = True

    def __init__(
        self, index: int, life: int, plan: EndPlan, line: tuple[float | None, bool], now_s: float
    ) -> None:
        super().__init__(index, life, plan, line[0])
        self._c = c = library()
        words = c.simulation_size() // 8 + 1
        self._words = _spare.pop() if _spare else (ctypes.c_uint64 * words)()
        self._at = ctypes.byref(self._words)
        self._memory = memoryview(self._words).cast("B")
        self._status = self._memory[:32].cast("I")
        self._log_at, self._tx_at = c.simulation_log_at(), c.simulation_tx_at()
        self._slots: dict[int, Operation] = {}
        self._free_s = 0.0  # when the UART will have sent what it took
        self._full = False
        self._sent_s = now_s
        rate = line[0]
        small = plan.window <= 3
        nonce = plan.nonce
        if nonce is None or plan.host:  # a host's first session id comes out of its nonce
            nonce = self.random.getrandbits(32)
        how = (
            plan.payload,
            plan.window,
            plan.ring,
            0b11 if line[1] else 0b01,
            min(plan.calls, 32),
            plan.message + 16,
            max(plan.payload + 32, 192) if small else 32768,
            round(1e6 / rate) if rate is not None else 0,
            1 if plan.host else 0,
            int(plan.host),
            plan.credit // 16,
            nonce,
            3 if life else 1,
            self._ms(now_s) & MASK,
        )
        c.simulation_init(self._at, (ctypes.c_uint32 * len(how))(*how))

    def forget(self) -> None:
        """Give the memory back: the end is gone."""
        super().forget()
        self._status.release()
        self._memory.release()
        _spare.append(self._words)

    def _ms(self, now_s: float) -> int:
        return int(self.local_s(now_s) * 1000.0 + 1e-6)

    # --- the five verbs ---

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the line brought."""
        ms = ctypes.c_uint32(self._ms(now_s) & MASK)
        self._c.simulation_receive(self._at, data, ctypes.c_size_t(len(data)), ms)

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:
        """Hand over what the UART has room for."""
        rate = self.bytes_per_s
        if rate is not None:
            waiting = max(0.0, self._free_s - now_s) * rate
            max_bytes = int(self.plan.fifo - waiting + 1e-6)
            if max_bytes <= 0:
                return b""
        ms = ctypes.c_uint32(self._ms(now_s) & MASK)
        self._c.simulation_take_tx(self._at, ctypes.c_size_t(max_bytes), ms)
        size = self._status[TX_USED]
        self._full = rate is not None and size == max_bytes
        if not size:
            return b""
        if rate is not None:
            self._free_s = max(self._free_s, now_s) + size / rate
        return bytes(self._memory[self._tx_at : self._tx_at + size])

    def next_event(self) -> Entry | None:
        """Hand over what the log tells, an entry at a time."""
        if not self._entries and self._status[LOG_USED]:
            self._read_log()
        return self._entries.popleft() if self._entries else None

    def _read_log(self) -> None:
        if self._status[BAD]:
            raise AssertionError("the log of end.c ran over")
        log = bytes(self._memory[self._log_at : self._log_at + self._status[LOG_USED]])
        self._c.simulation_clear_log(self._at)
        at = 0
        while at < len(log):
            kind, a, b, size = _HEAD.unpack_from(log, at)
            at += _HEAD.size
            entry = self._entry(kind, a, b, log[at : at + size])
            at += size
            if entry is not None:
                self._entries.append(entry)

    def next_deadline_s(self) -> float | None:
        """Return when the core or its UART wants to be looked at."""
        due_s: float | None = None
        if self._status[DUE]:
            now_ms = self._ms(self._now_s)
            ahead = (self._status[DUE_MS] - now_ms) & MASK
            if ahead >= 0x80000000:
                ahead = 0
            due_s = self.global_s((now_ms + ahead) / 1000.0)
        if self._full:
            rate = self.bytes_per_s
            assert rate is not None
            room_s = self._free_s - self.plan.fifo / 2 / rate
            due_s = room_s if due_s is None else min(due_s, room_s)
        return due_s

    def on_deadline(self, now_s: float) -> None:
        """Act on what is due."""
        self._c.simulation_on_deadline(self._at, ctypes.c_uint32(self._ms(now_s) & MASK))

    # --- the log ---

    def _entry(self, kind: int, a: int, b: int, data: bytes) -> Entry | None:
        if kind == CALLED:
            return Served(self, a, b, data)
        if kind == NEWS_CAME:
            return News(data)
        if kind == ENDED:
            return self._ended(self._slots.pop(a), b >> 8, bool(b & 1), data)
        if kind == VALUE_CAME:
            return Ended(self._slots[a], data, None, None, last=False)
        if kind == HAPPENED:
            if a in (REFUSED, ECHO):
                return Went(up=False, final=True)
            closed = a == DOWN and b == DOWN_CLOSED and self.plan.host
            return Went(up=a == UP, final=closed)
        return None

    def _ended(self, operation: Operation, outcome: int, sent: bool, data: bytes) -> Ended:
        name = OUTCOMES[outcome]
        if outcome == ANSWERED:
            value = None if operation.step.values >= 0 else data
            return Ended(operation, value, None, None, last=True)
        if outcome == FAILED:
            return Ended(operation, None, f"{name} {data[0]}", data[1] == 0xC3, last=True)
        return Ended(operation, None, name, True if outcome == TOO_LARGE else sent, last=True)

    # --- what a program does ---

    @property
    def up(self) -> bool:
        """Whether a session stands."""
        return self._status[STATE] == ESTABLISHED

    def begin(self, operation: Operation, now_s: float) -> bool:
        """Call."""
        step: Call = operation.step
        procedure = FLOW if step.values >= 0 else WORK
        arguments = arguments_of(step)
        if self._status[LOG_USED]:
            self._read_log()  # before a place is used again that it speaks of
        slot = self._c.simulation_call(
            self._at,
            ctypes.c_uint16(procedure),
            arguments,
            ctypes.c_size_t(len(arguments)),
            ctypes.c_uint32(max(1, int(step.timeout_s * 1000))),
            ctypes.c_uint32(self._ms(now_s) & MASK),
        )
        if slot < 0:
            assert slot == -1, "more calls at once than end.c has places for"
            return False
        operation.complete = True
        self._slots[slot] = operation
        return True

    def cancel(self, operation: Operation) -> None:
        """Give a call up."""
        for slot, running in self._slots.items():
            if running is operation:
                self._c.simulation_cancel(self._at, slot)
                return

    def emit(self, payload: bytes, now_s: float, *, lossy: bool) -> bool:
        """Emit an event."""
        del now_s
        size = ctypes.c_size_t(len(payload))
        return bool(self._c.simulation_emit(self._at, payload, size, lossy))

    def resume(self, served: Served, *, fails: bool = False) -> None:
        """Let a handler go on."""
        self._c.simulation_resume(self._at, ctypes.c_uint32(served.handle), fails)

    def close(self, now_s: float) -> None:
        """Say goodbye."""
        del now_s
        self._c.simulation_close(self._at)

    def leftovers(self) -> list[str]:
        """Name what should be empty and is not."""
        left = [f"{len(self._slots)} calls"] if self._slots else []
        return left if self._status[FLUSHED] else [*left, "something to send"]
