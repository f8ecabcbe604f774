"""The board for a fast line does what the other one does, its interrupt in assembly included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_lockstep import WiredChip
from tests.targets.chips import (
    ADD,
    BLOB,
    CHECKSUM,
    ECHO,
    STALL,
    VirtualHost,
    available,
)
from tests.targets.full_rate import fnv1a

BAUD: Final = 500_000
STEP_CYCLES: Final = 1600
RING: Final = 254  # sizes.h: it holds one less
LOST: Final = 150


class Board:
    """A chip that is switched on, and its host."""

    def __init__(self) -> None:
        """Wait for the session."""
        self.chip = WiredChip(build_firmware(f"avr/board-{BAUD}.elf"))
        self.host = VirtualHost(self.chip.control, step_cycles=STEP_CYCLES, bytes_per_s=BAUD / 10)
        self.host.connect()

    def checksum(self, data: bytes) -> bytes | None:
        """Upload, and return what the chip made of it."""
        call = self.host.start(CHECKSUM, data)
        while not (ended := [event for event in self.host.ended if event.call is call]):
            self.host.step()
        self.host.ended.clear()
        assert ended[0].error is None
        return ended[0].value

    def line(self, data: bytes) -> None:
        """Send bytes past the link."""
        self.chip.control.receive(data)
        for _ in range(len(data) // 5 + 10):
            self.host.step()


@pytest.fixture
def board() -> Iterator[Board]:
    available("simavr-atmega328p")
    board = Board()
    yield board
    board.chip.close()


def test_calls_streams_and_uploads_of_all_bytes_are_served(board: Board) -> None:
    assert board.host.call(ADD, 2**32 - 1, 2) == 1
    for size in (0, 1, 31, 32, 57, 58, 60):
        assert board.host.call(ECHO, "y" * size) == "y" * size
    for data in (bytes(250), bytes(range(256)), b"\xff" * 256, bytes([0, 1]) * 100):
        assert board.checksum(data) == fnv1a(data)
    assert len(board.host.call(BLOB, 3000)) == 3000
    counters = board.host.counters()
    assert counters.noise == counters.overruns == counters.duplicates == 0
    assert counters.static_bytes + counters.stack_bytes < 2048


def test_text_and_noise_between_frames_harm_nothing(board: Board) -> None:
    board.line(b"\x00no frame, and longer than the ring " * 20 + b"\x00")
    board.line(b"only text, with no zero anywhere, for a while " * 10)
    assert board.host.call(ADD, 1, 2) == 3
    counters = board.host.counters()
    assert counters.overruns == 0
    assert counters.sessions == 1


def test_what_the_ring_has_no_room_for_is_counted(board: Board) -> None:
    call = board.host.start(STALL, b"\x1e\xc2")  # 30 ms, in which nobody reads; interrupts go on
    for _ in range(10):
        board.host.step()
    board.line(b"z" * (RING - 1 + LOST))
    while not any(event.call is call for event in board.host.ended):
        board.host.step()
    board.host.ended.clear()
    assert board.host.call(ECHO, "here") == "here"
    counters = board.host.counters()
    in_use = counters.overruns - LOST  # the frame whose handler runs still lies in the ring
    assert 0 <= in_use < 20
    assert counters.sessions == 1
    assert board.checksum(bytes(range(256))) == fnv1a(bytes(range(256)))
