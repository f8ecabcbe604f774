"""A host in Python and the C core on lines that lose frames in a fixed beat (HS-1, LINK-11)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from ipfi_serial.events import SessionOpened
from tests.firmware.lockstep import End, Library
from tests.harness.links import new_link, nonces

ADD = bytes.fromhex("01c00100022802")  # section 1: add(40, 2)
ANSWER = bytes.fromhex("02c0010001 2a")
LIMIT_MS = 300_000

Beat = tuple[int, ...]


class Exchange:
    """A host that makes one call, a board, and two lines of a millisecond each."""

    def __init__(self, library: Library, beat: Beat, counts: tuple[Iterator[int], ...]) -> None:
        self.host = new_link(floor=40_000, new_nonce=nonces(1))
        self.board = End(library, nonce=9)
        self.beat, self.counts = beat, counts
        self.now_ms = 0
        self.got = b""
        self._unsent = [b"", b""]
        self._flying: list[tuple[int, int, bytes]] = []
        self.host.open(0.0)

    def _send(self) -> None:
        sent = True
        while sent:
            said = [self.host.bytes_to_send(self.now_ms / 1000), self.board.take_tx(self.now_ms)]
            sent = any(said)
            for end in (0, 1):
                *frames, self._unsent[end] = (self._unsent[end] + said[end]).split(b"\0")
                for frame in filter(None, frames):
                    if self.beat[next(self.counts[end]) % len(self.beat)]:
                        self._flying.append((self.now_ms + 1, end, b"\0" + frame + b"\0"))

    def _take_events(self) -> None:
        while (event := self.host.next_event()) is not None:
            if isinstance(event, SessionOpened):
                self.got = b""
                self.host.push(ADD, self.now_ms / 1000)
                self.host.set_busy(True, self.now_ms / 1000)
            elif isinstance(event, bytes):
                self.got += event

    def step(self) -> None:
        """Go to the next thing that happens."""
        self._send()
        due_s, due_ms = self.host.next_deadline_s(), self.board.deadline_ms()
        times = [when for when, _, _ in self._flying]
        times += [int(due_s * 1000) + 1] if due_s is not None else []
        times += [due_ms] if due_ms is not None else []
        self.now_ms = max(self.now_ms, min(times))
        arrived = [item for item in self._flying if item[0] <= self.now_ms]
        self._flying = [item for item in self._flying if item[0] > self.now_ms]
        for _, end, wire in arrived:
            if end == 0:
                self.board.receive(wire, self.now_ms)
            else:
                self.host.receive_bytes(wire, self.now_ms / 1000)
        self.host.on_deadline(self.now_ms / 1000)
        self.board.on_deadline(self.now_ms)
        self._take_events()


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_no_beat_of_losses_keeps_a_call_from_its_answer(library: Library, period: int) -> None:
    """HS-1, HS-6, LINK-11: one frame in a period passes at least; counted together, and apart."""
    for beat in itertools.product((0, 1), repeat=period):
        if not 0 < sum(beat) < period:
            continue
        both = itertools.count()
        counts = [(both, both)]
        counts += [(itertools.count(), itertools.count(offset)) for offset in range(period)]
        for which, pair in enumerate(counts):
            exchange = Exchange(library, beat, pair)
            while exchange.got != ANSWER:
                assert exchange.now_ms < LIMIT_MS, (beat, which, exchange.got)
                exchange.step()
