"""A trace of docs/model/window.pml in, the same steps done by two real ends, and compared.

A message that the model's sender may not send yet is pushed early: it must not leave before the
model's may.  What the model does not say (ACKs at once, repetitions on evidence, PINGs) is lost.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from ipfi_serial.link.parameters import Flag
from ipfi_serial.link.states import LinkState
from tests.harness.links import new_link, nonces, parameters
from tests.model.core import CoreDevice
from tests.model.ends import DivergedError, End, Frame, PythonEnd
from tests.model.window_message import BEFORE, FRAME_BYTES, payload_of
from tests.model.window_receiver import ReceivingEnd
from tests.model.window_sender import SendingEnd
from tests.model.window_step import WindowStep

HOST: Final = 0
DEVICE: Final = 1
BEGUN_S: Final = 100.0  # what the clocks say first
CORE_CREDIT_BYTES: Final = 0x3FFFFFFF  # IPFI_CREDIT_AHEAD: the core takes in all that comes
ENOUGH_CREDIT_BYTES: Final = 1 << 20  # for the direction that the model leaves out
MOST_ROUNDS: Final = 40  # of frames and answers


class WindowReplay:
    """Two ends that do what a trace says.

    Args:
        window: frames, of both ends.
        credit: frames ahead of what was delivered.
        in_order: whether the receiver keeps nothing that comes ahead; the core never does.
        sender: HOST or DEVICE.
        core: whether the device is the C core.

    Attributes:
        seen: how often something happened that makes a trace worth replaying.
    """

    def __init__(
        self,
        *,
        window: int = 2,
        credit: int = 2,
        in_order: bool = False,
        sender: int = HOST,
        core: bool = False,
    ) -> None:
        self.seen: Counter[str] = Counter()
        credit_bytes = CORE_CREDIT_BYTES if core and sender == HOST else credit * FRAME_BYTES
        self._ends = [
            CoreDevice(1, 1, BEGUN_S, payload=FRAME_BYTES, window=window)
            if core and index == DEVICE
            else _python_end(index, window, credit_bytes, sends=index == sender, in_order=in_order)
            for index in (HOST, DEVICE)
        ]
        receiver = self._ends[1 - sender]
        self._receiver = ReceivingEnd(receiver, credit_bytes=credit_bytes, seen=self.seen)
        self._sender = SendingEnd(
            self._ends[sender],
            receiver,
            window=window,
            credit=credit,
            credit_bytes=credit_bytes,
            goes_back=in_order,
            seen=self.seen,
        )
        self._line: dict[str, deque[tuple[int, Frame]]] = {"data": deque(), "ack": deque()}
        self._late: dict[str, tuple[int, Frame]] = {}  # one frame a direction
        self._newest = {"data": 0, "ack": 0}

    def run(self, steps: list[WindowStep]) -> None:
        """Do all steps; raise at the first that ends otherwise than in the model."""
        try:
            self._connect()
            self._sender.begin(max(step.number for step in steps if step.cause == "data"))
            for number, step in enumerate(steps):
                try:
                    self._do(step)
                except AssertionError as error:
                    raise DivergedError(f"step {number}, {step}: {error}") from error
        finally:
            for end in self._ends:
                end.forget()

    # --- before the trace ---

    def _connect(self) -> None:
        """Make the handshake, and let frames go that need no repetition."""
        for _ in range(MOST_ROUNDS):
            self._exchange()
            if all(end.state is LinkState.ESTABLISHED for end in self._ends):
                break
            for end in self._ends:
                if (due_s := end.due_s()) is not None:
                    end.now_s = max(end.now_s, due_s)
                    end.on_deadline()
        for number in range(-BEFORE, 0):
            self._sender.end.push(payload_of(number))
            self._exchange()
        assert len(self._receiver.end.take_delivered()) == BEFORE, "no good beginning"
        self._sender.end.take_delivered()

    def _exchange(self) -> None:
        """Hand over all that both ends say."""
        for _ in range(MOST_ROUNDS):
            said = [end.say() for end in self._ends]
            for end, frames in zip(reversed(self._ends), said, strict=True):
                for frame in frames:
                    end.receive(frame.wire)
            if not any(said):
                return
        raise AssertionError("they never fall silent")

    # --- steps ---

    def _do(self, step: WindowStep) -> None:
        self.seen.update(filter(None, (step.cause, step.fate)))
        self._sender.expect(step.account)
        if step.cause == "data":
            self._put(step, self._sender.send(step.number))
        elif step.cause == "ack":
            self._put(step, self._receiver.acknowledge(step, self._sender.other_delivered))
        elif step.cause == "bring":
            self._line[step.kind].append(self._late.pop(step.kind))
        elif step.cause == "take":
            self._take(step)
        elif step.cause == "ask":
            self._receiver.answer(self._sender.ask())
        elif step.cause == "quiet":
            self._late.clear()
        if step.account is not None:
            self._sender.check()

    def _put(self, step: WindowStep, frame: Frame) -> None:
        """Let the model's fate happen to a frame."""
        if step.fate in ("arrives", "twice"):
            self._line[step.cause].append((step.number, frame))
        if step.fate in ("late", "twice"):
            self._late[step.cause] = (step.number, frame)

    def _take(self, step: WindowStep) -> None:
        number, frame = self._line[step.kind].popleft()
        assert number == step.number, f"{step.kind} {number} is on the line"
        self.seen[f"old {step.kind}"] += number < self._newest[step.kind]
        self._newest[step.kind] = max(number, self._newest[step.kind])
        if step.kind == "data":
            self._receiver.take(step, frame)
        else:
            self._sender.hear(frame)


def _python_end(index: int, window: int, credit_bytes: int, *, sends: bool, in_order: bool) -> End:
    """Return an end whose core is a Link."""
    flags = Flag.HOST if index == HOST else Flag(0)
    if in_order and not sends:
        flags |= Flag.IN_ORDER_ONLY
    own = parameters(
        flags=flags,
        frame_payload=FRAME_BYTES,
        window=window,
        crc_profiles=1,
        credit=ENOUGH_CREDIT_BYTES if sends else credit_bytes,
    )
    link = new_link(own, active=index == HOST, new_nonce=nonces(index))
    return PythonEnd(link, deque(), BEGUN_S)
