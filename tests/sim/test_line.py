"""The Python board's line: text stands between frames, whatever the line takes at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ipfi_serial.errors import TransportError
from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.framing.verdict import Text
from ipfi_serial.sim.line import BoardLine, BootTransport
from tests.sim.conftest import PATIENCE_S

FRAME = b"\x05\x85abc\x02\x09\x00"


class NarrowLine:
    """A line that takes only as many bytes as it has room for."""

    endpoint: str = "narrow"
    bytes_per_s: float | None = None

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.sent = b""
        self.woken = 0
        self.closed = False

    def read(self, timeout_s: float | None) -> bytes:
        """Return nothing."""
        del timeout_s
        return b""

    def write(self, data: bytes) -> int:
        """Take what there is room for."""
        taken = min(self.room, len(data))
        self.room -= taken
        self.sent += data[:taken]
        return taken

    def wake(self) -> None:
        """Count."""
        self.woken += 1

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_text_on_an_idle_line_goes_at_once() -> None:
    inner = NarrowLine()
    BoardLine(inner).print(b"hello")
    assert inner.sent == b"hello\n\0"


def test_text_waits_for_the_end_of_a_frame_that_has_begun() -> None:
    inner = NarrowLine(room=3)
    line = BoardLine(inner)
    assert line.write(FRAME) == 3
    inner.room = 1000
    line.print(b"hello")
    assert inner.sent == FRAME[:3]
    assert line.write(FRAME[3:]) == len(FRAME) - 3
    assert inner.sent == FRAME + b"hello\n\0"


def test_a_frame_waits_until_text_that_has_begun_is_out() -> None:
    inner = NarrowLine(room=2)
    line = BoardLine(inner)
    line.print(b"hello")
    assert line.write(FRAME) == 0
    inner.room = 1000
    assert line.write(FRAME) == len(FRAME)
    assert inner.sent == b"hello\n\0" + FRAME


def test_a_read_that_ends_for_room_prints_what_waits() -> None:
    inner = NarrowLine(room=0)
    line = BoardLine(inner)
    transport = BootTransport(line)
    line.print(b"hello")
    inner.room = 1000
    assert transport.read(0) == b""
    assert inner.sent == b"hello\n\0"


def test_a_receiver_tells_text_and_frames_apart() -> None:
    inner = NarrowLine()
    line = BoardLine(inner)
    for text in (b"one", b"", b"two\nthree"):
        line.print(text)
    decoder = FrameDecoder(64)
    lines = [verdict.line for verdict in decoder.receive(inner.sent) if isinstance(verdict, Text)]
    assert [each for each in lines if each] == ["one", "two", "three"]
    assert decoder.counters.noise == 0


def test_a_boot_without_power_writes_nothing() -> None:
    inner = NarrowLine()
    transport = BootTransport(BoardLine(inner))
    transport.cut_power()
    assert transport.write(FRAME) == len(FRAME)
    assert inner.sent == b""


class WaitingLine(NarrowLine):
    """A line whose reads wait until they are woken, and count how many there are at once."""

    def __init__(self) -> None:
        super().__init__()
        self.readers = 0
        self.most_readers = 0
        self.begun = threading.Semaphore(0)
        self.wakes = threading.Semaphore(0)

    def read(self, timeout_s: float | None) -> bytes:
        """Wait."""
        del timeout_s
        self.readers += 1
        self.most_readers = max(self.most_readers, self.readers)
        self.begun.release()
        assert self.wakes.acquire(timeout=PATIENCE_S)
        self.readers -= 1
        return b""

    def wake(self) -> None:
        """End a read."""
        self.wakes.release()


def test_a_boot_does_not_read_before_the_one_before_it_has_left() -> None:
    inner = WaitingLine()
    line = BoardLine(inner)
    first, second = BootTransport(line), BootTransport(line)
    with ThreadPoolExecutor() as threads:
        leaving = threads.submit(first.read, None)
        assert inner.begun.acquire(timeout=PATIENCE_S)
        coming = threads.submit(second.read, None)
        first.close()
        assert leaving.result(PATIENCE_S) == b""
        second.wake()
        assert coming.result(PATIENCE_S) == b""
    assert inner.most_readers == 1


def test_a_boot_that_ends_leaves_the_line_to_the_next() -> None:
    inner = NarrowLine()
    line = BoardLine(inner)
    first = BootTransport(line)
    first.close()
    assert (inner.closed, inner.woken) == (False, 1)
    with pytest.raises(TransportError, match="restarts"):
        first.read(0)
    assert BootTransport(line).write(FRAME) == len(FRAME)
    line.close()
    assert inner.closed
