"""The simulated board on either core, stepped by hand: what a differential test compares."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any, Final

from ipfi_serial.codec.values import ArgumentError
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import CallReceived, ErrorCode, IncomingCall
from ipfi_serial.engine.context import CallContext
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.serving import decode_arguments, encode_result
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.events import EventReceived, SessionLost
from ipfi_serial.sim.procedures import LED, Procedures, board_interface
from ipfi_serial.sim.timers import Timers
from tests.firmware import build
from tests.firmware.lockstep import End, Library

NESTING: Final = 8  # IPFI_NESTING of the C core
LARGEST_BYTES: Final = 8192  # of the large C board


@functools.cache
def library(*flags: str) -> Library:
    """Return the C core, built once for each process."""
    place = Path(tempfile.mkdtemp(prefix="ipfi-fuzz-"))
    return Library(build.shared_object(build.any_compiler(), place / "libipfi.so", *flags))


class CBoard:
    """The C board, compiled with ``flags``."""

    def __init__(self, *flags: str) -> None:
        self.end = End(library(*flags), nonce=1)
        self.now_ms = 0

    def receive(self, data: bytes) -> None:
        """Take bytes of the line."""
        self.end.receive(data, self.now_ms)

    def take(self) -> bytes:
        """Hand over what it has to say now."""
        return self.end.take_tx(self.now_ms)

    def pass_time(self, seconds: float) -> None:
        """Let time pass; what becomes due is done when it is over."""
        self.now_ms += round(seconds * 1000)
        self.end.on_deadline(self.now_ms)

    def facts(self) -> dict[str, Any]:
        """What it counted."""
        stats = self.end.stats
        return {
            "up": self.end.state == "ESTABLISHED",
            "sessions": stats["sessions"],
            "events": stats["events_handled"],
        }


class PythonBoard:
    """The Python core with the board's procedures, each answered at once."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.events = 0
        self.ends: list[str] = []  # why sessions ended
        self.interface: Interface = board_interface(Procedures(Timers(), _nothing, _no_text))
        self.wire = build_wire(
            self.interface,
            WireConfig(
                window_frames=1,  # as the C core: what comes ahead is dropped
                max_calls=32,
                max_partial_calls=4,
                max_message_bytes=LARGEST_BYTES,
                skip_limit_bytes=16 << 20,
                stream_buffer_bytes=4096,
                max_depth=NESTING,
            ),
            framed=True,
            role="device",
            bytes_per_s=None,
            random_u32=lambda: 1,
        )
        self.wire.open(0.0)

    def receive(self, data: bytes) -> None:
        """Take bytes of the line."""
        self.wire.receive_bytes(data, self.now_s)
        self._serve()

    def take(self) -> bytes:
        """Hand over what it has to say now."""
        self._serve()
        return self.wire.bytes_to_send(self.now_s)

    def pass_time(self, seconds: float) -> None:
        """Let time pass; what becomes due is done when it is over."""
        self.now_s += seconds
        self.wire.on_deadline(self.now_s)
        self._serve()

    def facts(self) -> dict[str, Any]:
        """What it counted."""
        sessions = self.wire.link.counters.sessions
        return {"up": self.wire.established, "sessions": sessions, "events": self.events}

    def _serve(self) -> None:
        while (event := self.wire.next_event()) is not None:
            if isinstance(event, CallReceived):
                self._run(event.call)
                self.wire.callee.worker_done(event.call)
            elif isinstance(event, EventReceived):
                self.events += event.index == LED
            elif isinstance(event, SessionLost):
                self.ends.append(str(event.reason))

    def _run(self, call: IncomingCall) -> None:
        callee = self.wire.callee
        procedure = self.interface.procedures[call.procedure]
        answered = _Answer()
        context = CallContext(None, call, lambda: answered)
        try:
            arguments, keywords = decode_arguments(
                procedure, bytes(call.arguments), context, NESTING
            )
        except ArgumentError as error:
            callee.fail(call, ErrorCode.BAD_ARGUMENTS, str(error), may_have_executed=False)
            return
        result = procedure.function(*arguments, **keywords)
        if answered.text is not None:
            callee.fail(call, ErrorCode.HANDLER_FAILED, answered.text, may_have_executed=True)
        elif procedure.streams:
            for value in result:
                callee.send_item(call, encode_result(procedure, value))
            callee.end_stream(call)
        else:
            callee.answer(call, encode_result(procedure, result))


class _Answer:
    """An answer that a procedure gives in its own way."""

    text: str | None = None

    def reply(self, value: object = None) -> None: ...

    def fail(self, message: str) -> None:
        self.text = message


def _nothing() -> None: ...


def _no_text(_text: bytes) -> None: ...
