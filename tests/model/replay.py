"""A trace of docs/model/handshake.pml in, the same steps done by two real ends, and compared.

Each end has a clock of its own, which goes on only when the model lets one of its timers expire, so
whatever order of events the model finds can be done.  Frames that the model leaves out (ACKs of
DATA, repetitions, PINGs of LINK-10, the copies of HS-1) are lost.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.link.states import LinkState
from tests.harness.links import device_parameters, new_link, parameters
from tests.model.core import CoreDevice
from tests.model.ends import DivergedError, End, Frame, PythonEnd
from tests.model.trace import Sent, Step

HOST: Final = 0
DEVICE: Final = 1
FIRST_HIGH_ID: Final = 128  # ids of the model from here on lie before 0 on the circle of 65536
MOST_TIMERS: Final = 60  # that may expire in one step; patience takes about 40 of them
BEHIND_PARAMETERS: Final = 30  # place of the floor in HELLO and of the id in HELLO_ACK
OPTIONAL: Final = ("ACK", "PING", "DATA")  # frames that the model may leave out


def code_id(number: int) -> int:
    """Return the session id that stands for the model's."""
    return number if number < FIRST_HIGH_ID else number + 65536 - 256


class Replay:
    """Two ends that do what a trace says.

    Args:
        both_active: whether the device opens actively, too.
        peers: whether both have the host's role.
        core: whether the device is the C core; the trace was made with ``HASTY`` then.
    """

    def __init__(
        self, *, both_active: bool = False, peers: bool = False, core: bool = False
    ) -> None:
        self._both_active = both_active or peers
        self._peers = peers
        self._core = core
        self._ends: dict[int, End] = {}
        self._boots = 0
        self._lives = [0, 0]  # sessions that the two ends have entered, all boots together
        self._to: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        self._held: tuple[deque[Frame], deque[Frame]] = (deque(), deque())

    def run(self, steps: list[Step]) -> None:
        """Do all steps; raise at the first that ends otherwise than in the model."""
        try:
            for number, step in enumerate(steps):
                try:
                    self._do(step)
                except AssertionError as error:
                    raise DivergedError(f"step {number}, {step}: {error}") from error
        finally:
            for end in self._ends.values():
                end.forget()

    # --- steps ---

    def _do(self, step: Step) -> None:
        if step.cause == "quiet":
            for held in self._held:
                held.clear()
        elif step.cause == "bring":
            held = self._held[step.end]
            self._to[step.end].append(held[0] if step.words else held.popleft())
        elif step.cause == "settled":
            assert self._ends[HOST].state is self._ends[DEVICE].state is LinkState.ESTABLISHED
        elif step.cause == "boot":
            self._boot(step)
            self._compare(step, [])
        else:
            self._put_on_line(step, self._cause(step))

    def _cause(self, step: Step) -> list[Frame]:
        """Let the step's cause happen; return the frames that the end says."""
        end = self._ends[step.end]
        end.expect_nonces(step.nonces)
        if step.cause == "receive":
            frame = self._to[step.end].popleft()
            assert frame.kind == step.words[0], f"{frame.kind} is on the line"
            end.receive(frame.wire)
            if any(sent.kind == "READY" for sent in step.sent):
                end.on_deadline()  # it is due at once
            return end.say()
        if step.cause == "data":
            end.push(bytes((self._lives[step.end], end.sent)))
            end.sent += 1
            return end.say()
        if step.cause in ("patience", "ping"):
            end.set_busy()
        return self._wait(step)

    def _boot(self, step: Step) -> None:
        """Begin a life that remembers nothing."""
        now_s = 100.0
        if step.end in self._ends:
            now_s = self._ends[step.end].now_s
            self._ends[step.end].forget()
        self._boots += 1
        if self._core and step.end == DEVICE:
            self._ends[step.end] = CoreDevice(self._boots, self._boots, now_s)
            return
        host_role = step.end == HOST or self._peers
        nonces = deque(step.nonces)
        link = new_link(
            parameters(crc_profiles=1) if host_role else device_parameters(ring=0xFFFF),
            active=step.end == HOST or self._both_active,
            floor=code_id(int(step.words[0])),
            new_nonce=nonces.popleft,
        )
        self._ends[step.end] = PythonEnd(link, nonces, now_s)

    def _wait(self, step: Step) -> list[Frame]:
        """Let timers of one end expire until it does what the model says."""
        end = self._ends[step.end]
        wanted = step.sent[0].kind if step.sent else ""
        before = end.state
        heard = end.early + end.say()
        end.early = []
        for _ in range(MOST_TIMERS):
            if any(frame.kind == wanted for frame in heard):
                return heard
            if not wanted and end.state is not before:
                return heard
            heard += end.expire()
        raise AssertionError(f"{wanted or 'another state'} did not come")

    # --- the comparison ---

    def _put_on_line(self, step: Step, said: list[Frame]) -> None:
        """Compare what the end said, and put it on the line as the model did."""
        left = list(said)
        for sent in step.sent:
            frame = next((frame for frame in left if frame.kind == sent.kind), None)
            assert frame is not None, f"no {sent.kind}, but {[f.kind for f in said]}"
            left.remove(frame)
            self._compare_frame(frame, sent)
            way = 1 - step.end
            if sent.fate in ("arrives", "twice"):
                self._to[way].append(frame)
            if sent.fate in ("late", "twice"):
                self._held[way].append(frame)
            left = [other for other in left if other.content != frame.content]  # copies, HS-1
        self._compare(step, left)

    def _compare_frame(self, frame: Frame, sent: Sent) -> None:
        first, _, third = sent.numbers
        place = BEHIND_PARAMETERS if frame.kind in ("HELLO", "HELLO_ACK") else 1
        found, wanted = int.from_bytes(frame.content[place : place + 2], "little"), code_id(first)
        assert found == wanted, f"{frame.kind} says {found}, not {wanted}"
        if frame.kind == "READY":
            assert frame.content[3] == third, f"READY is number {frame.content[3]}"

    def _compare(self, step: Step, left: list[Frame]) -> None:
        """Compare what came of a step; ``left``: what was said that the model does not say."""
        end = self._ends[step.end]
        if self._core and step.end == DEVICE:
            end.early += [frame for frame in left if frame.kind == "HELLO"]
            left = [frame for frame in left if frame.kind != "HELLO"]
        assert all(frame.kind in OPTIONAL for frame in left), f"more: {[f.kind for f in left]}"
        end.expect_nonces([])
        delivered = [(payload[0], payload[1]) for payload in end.take_delivered()]
        assert delivered == step.delivered, f"delivered {delivered}"
        if step.state is None:
            return
        state, session, pending = step.state
        assert end.state.name == state, f"the code is {end.state.name}"
        assert not (differs := end.differs(code_id(session), code_id(pending))), differs
        if step.opens:
            self._lives[step.end] += 1
            end.sent = 0
