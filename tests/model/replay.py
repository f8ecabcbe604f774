"""A trace of docs/model/handshake.pml in, the same steps done by two real links, and compared.

Each end has a clock of its own, which goes on only when the model lets one of its timers expire, so
whatever order of events the model finds can be done.  Frames that the model leaves out (ACKs of
DATA, repetitions, PINGs of LINK-10) are lost.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from ipfi_serial.events import LinkEvent
from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.session import Link
from ipfi_serial.link.states import LinkState
from tests.harness.links import device_parameters, new_link, parameters
from tests.model.trace import Sent, Step

HOST: Final = 0
FIRST_HIGH_ID: Final = 128  # ids of the model from here on lie before 0 on the circle of 65536
MOST_TIMERS: Final = 60  # that may expire in one step; patience takes about 40 of them
BEHIND_PARAMETERS: Final = 30  # place of the floor in HELLO and of the id in HELLO_ACK
OPTIONAL: Final = ("ACK", "PING", "DATA")  # frames that the model may leave out


class DivergedError(AssertionError):
    """The code did something else than the model."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame on the line."""

    kind: str
    content: bytes
    wire: bytes


@dataclass(slots=True)
class End:
    """One end: a link, its clock and what its program sees."""

    link: Link
    nonces: deque[int]
    now_s: float = 100.0
    life: int = 0
    sent: int = 0
    delivered: list[tuple[int, int]] = field(default_factory=list)
    decoder: FrameDecoder = field(default_factory=lambda: FrameDecoder(20_000))


def code_id(number: int) -> int:
    """Return the session id that stands for the model's."""
    return number if number < FIRST_HIGH_ID else number + 65536 - 256


def payload(life: int, number: int) -> bytes:
    """Return stream data that says whose it is."""
    return bytes((life, number))


class Replay:
    """Two links that do what a trace says.

    Args:
        both_active: whether the device opens actively, too.
        peers: whether both have the host's role.
    """

    def __init__(self, *, both_active: bool = False, peers: bool = False) -> None:
        self._both_active = both_active or peers
        self._peers = peers
        self._ends: dict[int, End] = {}
        self._lives = [0, 0]  # sessions that the two ends have entered, all boots together
        self._to: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        self._held: tuple[deque[Frame], deque[Frame]] = (deque(), deque())

    def run(self, steps: list[Step]) -> None:
        """Do all steps; raise at the first that ends otherwise than in the model."""
        for number, step in enumerate(steps):
            try:
                self._do(step)
            except AssertionError as error:
                raise DivergedError(f"step {number}, {step}: {error}") from error

    # --- steps ---

    def _do(self, step: Step) -> None:
        if step.cause == "quiet":
            for held in self._held:
                held.clear()
        elif step.cause == "bring":
            self._bring(step)
        elif step.cause == "settled":
            self._check_settled()
        else:
            said = self._cause(step)
            self._say(step, said)
            self._compare(step)

    def _bring(self, step: Step) -> None:
        held = self._held[step.end]
        self._to[step.end].append(held[0] if step.words else held.popleft())

    def _cause(self, step: Step) -> list[Frame]:
        """Let the step's cause happen; return the frames that the end says."""
        if step.cause == "boot":
            return self._boot(step)
        end = self._ends[step.end]
        end.nonces.extend(step.nonces)
        if step.cause == "receive":
            frame = self._to[step.end].popleft()
            assert frame.kind == step.words[0], f"{frame.kind} is on the line"
            end.link.receive_bytes(frame.wire, end.now_s)
            if any(sent.kind == "READY" for sent in step.sent):
                end.link.on_deadline(end.now_s)  # it is due at once
            return self._hear(step.end)
        if step.cause == "data":
            end.link.push(payload(self._lives[step.end], end.sent), end.now_s)
            end.sent += 1
            return self._hear(step.end)
        if step.cause in ("patience", "ping"):
            end.link.set_busy(True, end.now_s)
        return self._wait(step)

    def _boot(self, step: Step) -> list[Frame]:
        """Begin a life that remembers nothing."""
        before = self._ends.get(step.end)
        host_role = step.end == HOST or self._peers
        nonces = deque(step.nonces)
        link = new_link(
            parameters(crc_profiles=1) if host_role else device_parameters(ring=0xFFFF),
            active=step.end == HOST or self._both_active,
            floor=code_id(int(step.words[0])),
            new_nonce=nonces.popleft,
        )
        end = self._ends[step.end] = End(link, nonces)
        if before is not None:
            end.now_s = before.now_s
        link.open(end.now_s)
        return []

    def _wait(self, step: Step) -> list[Frame]:
        """Let timers of one end expire until it does what the model says."""
        end = self._ends[step.end]
        wanted = step.sent[0].kind if step.sent else ""
        before = end.link.state
        heard: list[Frame] = []
        for _ in range(MOST_TIMERS):
            due_s = end.link.next_deadline_s()
            assert due_s is not None, "the code waits for nothing"
            end.now_s = max(end.now_s, due_s)
            end.link.on_deadline(end.now_s)
            heard += self._hear(step.end)
            if any(frame.kind == wanted for frame in heard):
                return heard
            if not wanted and end.link.state is not before:
                return heard
        raise AssertionError(f"{wanted or 'another state'} did not come")

    # --- frames and events of one end ---

    def _hear(self, index: int) -> list[Frame]:
        """Take all that a link says and reports now."""
        end = self._ends[index]
        self._take_events(end, index)
        heard = []
        while wire := end.link.bytes_to_send(end.now_s):
            pieces = filter(None, wire.split(b"\0"))
            heard += [self._read(end, b"\0" + piece + b"\0") for piece in pieces]
        return heard

    def _read(self, end: End, wire: bytes) -> Frame:
        (content,) = (v for v in end.decoder.receive(wire) if isinstance(v, bytes))
        return Frame(FrameType(content[0]).name, content, wire)

    def _take_events(self, end: End, index: int) -> None:
        while (event := end.link.next_event()) is not None:
            self._take_event(end, index, event)

    def _take_event(self, end: End, index: int, event: LinkEvent) -> None:
        if isinstance(event, bytes):
            assert len(event) == len(payload(0, 0)), "stream data joined or cut"
            end.delivered.append((event[0], event[1]))
        elif type(event).__name__ == "SessionOpened":
            self._lives[index] += 1
            end.sent = 0

    def _say(self, step: Step, said: list[Frame]) -> None:
        """Put what the end said on the line as the model did, and compare it."""
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
        assert all(frame.kind in OPTIONAL for frame in left), f"more: {[f.kind for f in left]}"

    # --- the comparison ---

    def _compare_frame(self, frame: Frame, sent: Sent) -> None:
        content = frame.content
        first, _, third = sent.numbers
        place = BEHIND_PARAMETERS if frame.kind in ("HELLO", "HELLO_ACK") else 1
        found, wanted = int.from_bytes(content[place : place + 2], "little"), code_id(first)
        assert found == wanted, f"{frame.kind} says {found}, not {wanted}"
        if frame.kind == "READY":
            assert content[3] == third, f"READY is number {content[3]}"

    def _compare(self, step: Step) -> None:
        end = self._ends[step.end]
        assert not end.nonces, "the model drew a nonce that the code did not"
        assert end.delivered == step.delivered, f"delivered {end.delivered}"
        end.delivered.clear()
        if step.state is None:
            return
        state, session, pending = step.state
        link = end.link
        found = (link.state.name, self._session(link), self._pending(link))
        assert found == (state, code_id(session), code_id(pending)), f"the code is {found}"

    def _session(self, link: Link) -> int:
        """Return the live session, or the candidate."""
        if link.agreement is not None:
            return link.agreement.session
        candidate = link._opening.candidate
        return candidate.session if candidate is not None else 0

    def _pending(self, link: Link) -> int:
        pending = link._handshake.pending
        return pending.session if pending is not None else 0

    def _check_settled(self) -> None:
        host, device = (self._ends[index].link for index in (0, 1))
        assert host.state is device.state is LinkState.ESTABLISHED
        assert self._session(host) == self._session(device)
