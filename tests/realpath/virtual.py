"""Two whole wires on a virtual clock and a line with a speed, in the default configuration."""

from __future__ import annotations

import msgspec

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import CallEnded, CallReceived, ItemReceived, OutgoingCall
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.setup import Role, build_wire
from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import IpfiError
from ipfi_serial.events import SessionLost
from tests.firmware.lockstep import End, Library
from tests.harness.line import Line
from tests.harness.lockstep import Core, Lockstep

ADD, ECHO, SEQUENCE, SLEEP = 1, 2, 3, 7  # as the C board has them
HOST, DEVICE = 0, 1


class CDevice:
    """The C board with the five verbs in seconds."""

    def __init__(self, library: Library, nonce: int, bytes_per_s: float, now_s: float) -> None:
        self.end = End(
            library, nonce=nonce, us_per_byte=round(1e6 / bytes_per_s), now_ms=_ms(now_s)
        )

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """See Wire."""
        self.end.receive(data, _ms(now_s))

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:
        """See Wire."""
        return self.end.take_tx(_ms(now_s), max_bytes)

    def next_event(self) -> WireEvent | None:
        """Report nothing: what matters is what its host is told."""
        self.end.events()
        return None

    def next_deadline_s(self) -> float | None:
        """See Wire."""
        due_ms = self.end.deadline_ms()
        return None if due_ms is None else due_ms / 1000

    def on_deadline(self, now_s: float) -> None:
        """See Wire."""
        self.end.on_deadline(_ms(now_s))


def _ms(now_s: float) -> int:
    return int(now_s * 1000 + 1e-6)


def new_wire(role: Role, bytes_per_s: float, number: int) -> Wire:
    """Make a Python end in the default configuration."""
    interface = Interface()
    for index, name in ((ADD, "add"), (ECHO, "echo"), (SEQUENCE, "sequence"), (SLEEP, "sleep")):
        interface.procedure(index, name)(lambda: None)  # never run: Scene answers
    return build_wire(
        interface,
        WireConfig(),
        framed=True,
        role=role,
        bytes_per_s=bytes_per_s,
        random_u32=lambda: number * 7919,
    )


class Scene:
    """A host that calls, a device of either core that answers, and the line between them.

    Attributes:
        ended: how the calls ended, and when.
        items: values of streams.
        lost: when and why the host's sessions ended.
    """

    def __init__(self, bytes_per_s: float, delay_s: float, library: Library | None = None) -> None:
        self.bytes_per_s = bytes_per_s
        self.library = library
        self.ended: dict[int, tuple[float, CallEnded]] = {}
        self.items: list[bytes] = []
        self.lost: list[tuple[float, IpfiError]] = []
        lines = (
            Line(delay_s=delay_s, bytes_per_s=bytes_per_s),
            Line(delay_s=delay_s, bytes_per_s=bytes_per_s),
        )
        self.host = new_wire("host", bytes_per_s, 1)
        self._steps: Lockstep[WireEvent] = Lockstep(
            self.host, self._device(2, 100.0), lines, self._take
        )
        self.lines = lines
        self.host.open(self._steps.now_s)

    def _device(self, number: int, now_s: float) -> Core[WireEvent]:
        if self.library is not None:
            return CDevice(self.library, number, self.bytes_per_s, now_s)
        device = new_wire("device", self.bytes_per_s, number)
        device.open(now_s)
        return device

    @property
    def now_s(self) -> float:
        """The clock."""
        return self._steps.now_s

    def reset_device(self) -> None:
        """Replace the device by one that knows nothing; what it was saying is cut off."""
        self.lines[DEVICE].cut()
        self._steps.ends[DEVICE] = self._device(3, self.now_s)

    def connect(self, within_s: float) -> None:
        """Step until the host has a session."""
        assert self._steps.run(lambda: self.host.established, for_s=within_s)

    def start(
        self, procedure: int, *arguments: object, timeout_s: float, streaming: bool = False
    ) -> OutgoingCall:
        """Let the host call."""
        call = OutgoingCall(
            procedure, self.now_s + timeout_s, streaming=streaming, nested=False, owner=None
        )
        payload = b"".join(msgspec.msgpack.encode(each) for each in arguments)
        self.host.start_call(call, payload, self.now_s)
        return call

    def run(self, seconds: float, call: OutgoingCall | None = None) -> bool:
        """Step until ``call`` has ended, or for so long."""
        done = None if call is None else lambda: id(call) in self.ended
        return self._steps.run(done, for_s=seconds)

    def _take(self, index: int, event: WireEvent, now_s: float) -> None:
        if index == DEVICE and isinstance(event, CallReceived):
            self._answer(event)
        elif index == HOST and isinstance(event, CallEnded):
            self.ended[id(event.call)] = now_s, event
        elif index == HOST and isinstance(event, ItemReceived):
            self.items.append(event.value)
        elif index == HOST and isinstance(event, SessionLost):
            self.lost.append((now_s, event.reason))

    def _answer(self, event: CallReceived) -> None:
        device = self._steps.ends[DEVICE]
        assert isinstance(device, Wire)
        call, callee = event.call, device.callee
        arguments = msgspec.msgpack.decode(_array(bytes(call.arguments)))
        if call.procedure == ADD:
            callee.answer(call, msgspec.msgpack.encode(sum(arguments)))
        elif call.procedure == ECHO:
            callee.answer(call, msgspec.msgpack.encode(arguments[0]))
        elif call.procedure == SEQUENCE:
            for number in range(arguments[0]):
                callee.send_item(call, msgspec.msgpack.encode(f"item {number}"))
            callee.end_stream(call)
        if call.procedure != SLEEP:  # which never answers
            callee.worker_done(call)


def _array(payload: bytes) -> bytes:
    """Put the header of an array before one or two values (VAL-1)."""
    try:
        msgspec.msgpack.decode(payload)
    except msgspec.DecodeError:
        return b"\x92" + payload
    return b"\x91" + payload
