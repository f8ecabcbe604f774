"""What a trace still tells when it was full and its beginning went."""

from __future__ import annotations

import threading

import pytest

from ipfi_hil.decoding import lines
from ipfi_hil.trace import Chunk, Trace, Way
from tests.harness.links import device_parameters, new_link, parameters
from tests.shells.boards import PATIENCE_S
from tests.shells.lines import ScriptedLine


def trace_of_a_session(most_bytes: int) -> Trace:
    """Let two links talk, so that the trace gets what passes: a handshake, and stream bytes."""
    trace = Trace(most_bytes)
    ends = (new_link(parameters()), new_link(device_parameters(), active=False))
    for link in ends:
        link.open(100.0)
    now_s = 100.0
    for step in range(200):
        now_s += 0.03
        if ends[0].established:
            ends[0].push(bytes((4, 0xC0, 40, 0, 1, step % 128)), now_s)
        for link, other, way in ((*ends, Way.OUT), (*ends[::-1], Way.IN)):
            link.on_deadline(now_s)
            if wire := link.bytes_to_send(now_s):
                trace.passed(1, way, wire)
                other.receive_bytes(wire, now_s)
    assert all(link.established for link in ends)
    return trace


@pytest.mark.parametrize("most_bytes", [1 << 20, 600])
def test_the_frames_of_a_session_are_read_even_if_its_handshake_was_dropped(
    most_bytes: int,
) -> None:
    """FRAME-10: nobody could check them without what HELLO_ACK said."""
    trace = trace_of_a_session(most_bytes)
    told = list(lines(trace))
    assert (trace.dropped_bytes > 0) == (most_bytes == 600)
    assert any("DATA " in line for line in told)
    assert not [line for line in told if "noise" in line or "handshake" in line]


def test_the_copies_of_a_frame_that_pass_at_once_are_one_line_with_their_number() -> None:
    """HS-1: a host whose HELLO nobody answers sends it several times at once."""
    trace, host = Trace(), new_link(parameters())
    host.open(100.0)
    for step in range(200):
        now_s = 100.0 + step * 0.03
        host.on_deadline(now_s)
        if wire := host.bytes_to_send(now_s):
            trace.passed(1, Way.OUT, wire)
    told = [line for line in lines(trace) if "HELLO" in line]
    assert any(line.endswith(" times") for line in told)
    times = [line.split(">")[0] for line in told]
    assert len(set(times)) == len(times), "two lines of one moment"


class Answering(ScriptedLine):
    """A line whose answer is read before the write that it answers has returned."""

    def __init__(self) -> None:
        super().__init__()
        self.trace = Trace()
        self.tapped = self.trace.tap(self)
        self.reader = threading.Thread(target=lambda: self.tapped.read(PATIENCE_S), daemon=True)

    def write(self, data: bytes) -> int:
        """Bring the answer, and let the other thread have it."""
        taken = super().write(data)
        self.bring(b"answer")
        self.reader.start()
        self.reader.join(0.2)  # it must not be through before we are
        return taken


def test_an_answer_is_kept_behind_what_it_answers_whichever_thread_is_faster() -> None:
    line = Answering()
    assert line.tapped.write(b"question") == 8
    line.reader.join(PATIENCE_S)
    kept = [each for each in line.trace.entries() if isinstance(each, Chunk)]
    assert [(each.way, each.data) for each in kept] == [
        (Way.OUT, b"question"),
        (Way.IN, b"answer"),
    ]
