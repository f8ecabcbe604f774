"""The C core on a virtual clock: two C ends, and one C end against bytes that nobody meant."""

from __future__ import annotations

import itertools
import random
import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.link.handshake import Handshake
from ipfi_serial.link.states import TRANSITIONS, LinkInput, LinkState
from tests.firmware import lockstep, model
from tests.firmware.lockstep import End, Event, Library
from tests.harness.links import parameters


def pack(*values: object) -> bytes:
    return b"".join(msgspec.msgpack.encode(value) for value in values)


class Line:
    """Two ends, a clock, and a line with a delay that damages what passes."""

    def __init__(
        self, a: End, b: End, *, seed: int = 0, damage: float = 0.0, delay_ms: int = 0
    ) -> None:
        self.ends = (a, b)
        self.now_ms = 0
        self.damage = damage
        self.delay_ms = delay_ms
        self.rng = random.Random(seed)  # noqa: S311 - a test wants it repeatable
        self.flying: list[tuple[int, int, bytes]] = []
        self.carried = 0

    def _damaged(self, data: bytes) -> bytes:
        if not self.damage:
            return data
        out = bytearray()
        for value in data:
            if self.rng.random() >= self.damage:
                out.append(value)
            elif self.rng.random() < 0.5:
                out.append(value ^ 1 << self.rng.randrange(8))
        return bytes(out)

    def _send(self) -> None:
        for place, end in enumerate(self.ends):
            data = end.take_tx(self.now_ms)
            if data:
                self.carried += len(data)
                self.flying.append((self.now_ms + self.delay_ms, 1 - place, self._damaged(data)))

    def step(self, until_ms: int) -> None:
        """Go to the next thing that happens."""
        self._send()
        times = [when for when, _, _ in self.flying]
        times += [due for end in self.ends if (due := end.deadline_ms()) is not None]
        self.now_ms = max(self.now_ms, min([*times, until_ms]))
        arrived = [item for item in self.flying if item[0] <= self.now_ms]
        self.flying = [item for item in self.flying if item[0] > self.now_ms]
        for _, place, data in arrived:
            self.ends[place].receive(data, self.now_ms)
        for end in self.ends:
            end.on_deadline(self.now_ms)

    def run(self, duration_ms: int) -> None:
        """Let ``duration_ms`` pass."""
        until_ms = self.now_ms + duration_ms
        while self.now_ms < until_ms:
            self.step(until_ms)
        self._send()

    def finish(self, host: End, call: int, within_ms: int = 120_000) -> int:
        """Step until the call has ended."""
        until_ms = self.now_ms + within_ms
        while host.outcome(call) is None and self.now_ms < until_ms:
            self.step(until_ms)
        outcome = host.outcome(call)
        assert outcome is not None
        return outcome


def up(library: Library, *, small: bool = False, **line: float) -> tuple[Line, End, End]:
    host = End(library, host=True, nonce=7)
    board = End(library, small=small, nonce=9)
    carrier = Line(
        host, board, seed=int(line.get("seed", 0)), delay_ms=int(line.get("delay_ms", 0))
    )
    carrier.damage = line.get("damage", 0.0)
    while host.state != "ESTABLISHED":
        assert carrier.now_ms < 60_000
        carrier.step(60_000)
    return carrier, host, board


def test_the_state_table_is_the_one_of_the_python_link(library: Library) -> None:
    states = {state: lockstep.STATES.index(state.name) for state in LinkState}
    order = {
        LinkInput.LISTEN: "LISTEN",
        LinkInput.OPEN: "CONNECT",
        LinkInput.HELLO_ACKED: "ANSWERED",
        LinkInput.CONFIRMED: "CONFIRMED",
        LinkInput.PEER_READY: "ENTERED",
        LinkInput.LOST_ACTIVE: "RETRY",
        LinkInput.LOST_PASSIVE: "WAIT",
        LinkInput.CLOSE: "CLOSE",
    }
    assert set(order) == set(LinkInput)
    for state in LinkState:
        for happened, name in order.items():
            expected = TRANSITIONS.get((state, happened))
            got = library.next_state(states[state], lockstep.INPUTS.index(name))
            assert got == (-1 if expected is None else states[expected]), (state, happened)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_everything_arrives_exactly_once_over_a_bad_line(
    library: Library, small: bool, seed: int
) -> None:
    line, host, board = up(library, seed=seed, damage=0.004, delay_ms=2, small=small)
    if small:
        line.damage = 0.0  # CRC-16: one damaged frame in 65536 passes, so only loss is tried
    started = line.now_ms
    for n in range(30):
        call = host.call(1, pack(n, n), line.now_ms)
        assert line.finish(host, call) == lockstep.ANSWERED
        assert host.answer(call) == pack(2 * n)
    call = host.call(3, pack(40), line.now_ms)
    assert line.finish(host, call) == lockstep.ANSWERED
    assert host.values(call) == 40
    host.answer(call)
    call = host.call(5, pack(8000), line.now_ms)
    assert line.finish(host, call) == lockstep.ANSWERED
    assert msgspec.msgpack.decode(host.answer(call)) == bytes(i % 251 for i in range(8000))
    call = host.call(8, pack(40, "hi"), line.now_ms)
    assert line.finish(host, call) == lockstep.ANSWERED
    assert msgspec.msgpack.decode(host.answer(call)) == ["hi", "hi"]
    call = host.call(9, pack(20), line.now_ms)
    assert line.finish(host, call) == lockstep.ANSWERED
    line.run(2000)
    assert host.ticks() > 50
    assert host.ticks(out_of_order=True) == 0
    assert host.stats["sessions"] == board.stats["sessions"] == 1
    assert line.now_ms - started < 60_000


def test_many_calls_at_once_are_all_answered(library: Library) -> None:
    line, host, _ = up(library, delay_ms=3, damage=0.002)
    calls = {host.call(7, pack(10 * n), line.now_ms): 10 * n for n in range(16)}
    for call, slept in calls.items():
        assert line.finish(host, call) == lockstep.ANSWERED
        assert host.answer(call) == pack(slept)


def test_an_end_with_nothing_to_do_says_nothing_for_ever(library: Library) -> None:
    """Section 3.5."""
    line, host, board = up(library)
    line.run(1000)
    carried = line.carried
    assert host.deadline_ms() is None
    assert board.deadline_ms() is None
    line.run(3_600_000)
    assert line.carried == carried


def test_no_deadline_is_left_in_the_past(library: Library) -> None:
    line, host, board = up(library, damage=0.01, seed=3)
    call = host.call(5, pack(2000), line.now_ms)
    while host.outcome(call) is None:
        line.step(line.now_ms + 1000)
        for end in (host, board):
            end.take_tx(line.now_ms)
            due_ms = end.deadline_ms()
            assert due_ms is None or due_ms > line.now_ms


def test_asking_for_the_deadline_changes_nothing(library: Library) -> None:
    _, host, _ = up(library)
    host.call(1, pack(1, 2), 100)
    assert [host.deadline_ms() for _ in range(5)] == [host.deadline_ms()] * 5


def test_a_reboot_ends_calls_in_flight_and_the_next_one_works(library: Library) -> None:
    line, host, board = up(library)
    line.run(100)
    assert host.events() == [Event(lockstep.UP, 1)]
    call = host.call(7, pack(60_000), line.now_ms)
    line.run(50)
    board.restart(nonce=9, now_ms=line.now_ms)  # with a constant nonce
    assert line.finish(host, call) == lockstep.LOST
    host.answer(call)
    line.run(1000)
    assert host.events() == [Event(lockstep.DOWN, 4), Event(lockstep.UP, 3)]
    again = host.call(0, b"", line.now_ms)
    assert line.finish(host, again) == lockstep.ANSWERED


def test_a_device_that_hears_of_an_unknown_session_says_hello(library: Library) -> None:
    """HS-11: the HELLO of its start was lost, but the host's next frame brings another."""
    line, host, board = up(library)
    line.run(1000)
    board.restart(nonce=9, now_ms=line.now_ms)
    board.take_tx(line.now_ms)  # lost
    line.run(1000)
    call = host.call(0, b"", line.now_ms, timeout_ms=5000)
    before_ms = line.now_ms
    assert line.finish(host, call) == lockstep.LOST
    assert line.now_ms - before_ms < 500
    line.run(100)
    host.answer(call)
    again = host.call(0, b"", line.now_ms)
    assert line.finish(host, again) == lockstep.ANSWERED


def test_a_dead_line_is_noticed_after_patience_and_found_again(library: Library) -> None:
    """LINK-13, LINK-19."""
    line, host, _ = up(library)
    line.damage = 1.0
    call = host.call(0, b"", line.now_ms)
    before_ms = line.now_ms
    assert line.finish(host, call) == lockstep.LOST
    assert 5000 <= line.now_ms - before_ms <= 5100
    line.damage = 0.0
    line.run(3000)
    assert host.state == "ESTABLISHED"


def test_two_ends_that_open_at_once_agree_on_one_session(library: Library) -> None:
    """HS-8."""
    a = End(library, host=True, nonce=5)
    b = End(library, host=True, nonce=6)
    line = Line(a, b, delay_ms=10)
    line.run(3000)
    assert a.state == b.state == "ESTABLISHED"
    assert a.stats["sessions"] == b.stats["sessions"] == 1


def offered(board: End, floor: int = 1) -> model.Host:
    """A host to whose HELLO the board has answered; its READY is not on the line yet."""
    host = model.Host(mine=model.Parameters(nonce=1, crc_profiles=1), floor=floor)
    host.open(0.0)
    board.receive(host.take_tx(0.0), 5)
    host.receive(board.take_tx(5), 0.0)
    return host


@pytest.mark.parametrize("floor", [1, 0x7FFF, 0x8000, 0x8001, 0xFFF0])
def test_a_board_that_remembers_no_id_leaves_the_choice_to_its_host(
    library: Library, floor: int
) -> None:
    """HS-2: its floor is 0 until it has used an id; what it has used does not come again."""
    board = End(library, nonce=9)
    host = offered(board, floor)
    assert host.session == floor
    said = End(library, nonce=9).take_tx(5)
    host.receive(said, 0.0)
    assert host.frames[-1][30:32] == b"\0\0"
    assert offered(board, 0).session == floor + 1
    assert offered(board, floor).session == floor + 2
    assert offered(End(library, nonce=9), 0).session == 1


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_the_echo_of_any_of_its_readies_confirms(library: Library, which: int) -> None:
    """HS-6: or a round trip longer than their interval would never confirm."""
    host, board = End(library, host=True, nonce=7), End(library, nonce=9)
    now_ms = 0
    board.receive(host.take_tx(now_ms), now_ms)
    host.receive(board.take_tx(now_ms), now_ms)
    readies = [host.take_tx(now_ms)]
    while len(readies) < 4:
        now_ms = host.deadline_ms() or 0
        host.on_deadline(now_ms)
        readies.append(host.take_tx(now_ms))
    board.receive(readies[which], now_ms)
    host.receive(board.take_tx(now_ms), now_ms)
    assert host.state == "ESTABLISHED"


@pytest.mark.parametrize("live", [False, True])
def test_a_ready_must_say_what_its_hello_ack_said(library: Library, live: bool) -> None:
    """HS-5: the same id with another proof is of another life."""
    board = End(library, nonce=9)
    host = offered(board)
    good = host.take_tx(0.0)
    if live:
        board.receive(good, 5)
        board.take_tx(5)
    confirm = host.confirm
    for wrong in (confirm ^ 1, 0):
        host.confirm = wrong
        host._say_ready(0.0)
    host.send_frame(bytes([model.READY, 1, 0, 7]))
    host.send_frame(bytes([model.READY, 1, 0, 7]) + confirm.to_bytes(4, "little") + b"x")
    board.receive(host.take_tx(0.0), 5)
    assert board.take_tx(5) == b""
    assert (board.state == "ESTABLISHED") == live
    assert board.stats["strays"] == 4
    board.receive(good, 5)
    assert board.state == "ESTABLISHED"
    assert board.take_tx(5) != b""


@pytest.mark.parametrize("nonce", [9, 10])
def test_a_late_hello_and_ready_of_an_earlier_life_need_the_nonce_of_that_life(
    library: Library, nonce: int
) -> None:
    """HS-3, HS-5: they open no session of a board whose nonce differs from start to start."""
    late_ready = offered(End(library, nonce=9)).take_tx(0.0)
    board = End(library, nonce=nonce)
    offered(board)
    board.receive(late_ready, 5)
    assert board.state == ("ESTABLISHED" if nonce == 9 else "LISTENING")


@pytest.mark.parametrize(("role", "nonce", "live"), [(0, 0xFFFFFFFF, False), (1, 0xFFFFFFFF, True)])
def test_an_attempt_goes_before_a_session_offered_earlier_to_a_lower_rank(
    library: Library, role: int, nonce: int, live: bool
) -> None:
    """HS-8: or two attempts that cross could each make a session live at the other end."""
    line, host, _ = up(library)
    line.run(50)
    other = model.Host(mine=model.Parameters(flags=role, nonce=nonce), floor=1)
    other.open(0.0)
    host.receive(other.take_tx(0.0), line.now_ms)
    other.receive(host.take_tx(line.now_ms), 0.0)
    bye = bytes([model.BYE]) + (other.session - 1).to_bytes(2, "little") + b"\1"
    host.receive(b"\0" + model.frame(bye, other.profile, host.confirm), line.now_ms)
    assert host.state == "CONNECTING"
    host.receive(other.take_tx(0.0), line.now_ms)
    assert (host.state == "ESTABLISHED") == live


def test_an_echoing_line_is_named(library: Library) -> None:
    """HS-9."""
    host = End(library, host=True, nonce=5)
    now_ms = 0
    while host.state != "CLOSED":
        assert now_ms < 60_000
        host.receive(host.take_tx(now_ms), now_ms)
        due_ms = host.deadline_ms()
        now_ms = now_ms + 1 if due_ms is None else max(now_ms + 1, due_ms)
        host.on_deadline(now_ms)
    assert host.events() == [Event(lockstep.ECHO, 0)]


def test_closing_says_goodbye(library: Library) -> None:
    line, host, board = up(library)
    host.close()
    line.run(10)
    assert host.state == "CLOSED"
    assert board.state == "LISTENING"
    assert board.events()[-1] == Event(lockstep.DOWN, 0)


def test_a_slow_line_needs_no_tuning(library: Library) -> None:
    """300 baud: 33 ms a byte; nothing is sent twice and the call is answered."""
    host = End(library, host=True, nonce=7, us_per_byte=33333)
    board = End(library, small=True, nonce=9, us_per_byte=33333)
    line = SlowLine(host, board, us_per_byte=33333)
    while host.state != "ESTABLISHED":
        assert line.now_ms < 120_000
        line.step(line.now_ms + 100_000)
    call = host.call(1, pack(40, 2), line.now_ms, timeout_ms=60_000)
    assert line.finish(host, call) == lockstep.ANSWERED
    assert host.stats["retransmissions"] == board.stats["retransmissions"] == 0


class SlowLine(Line):
    """Bytes take their time; each end hands over what the line takes (LINK-18)."""

    def __init__(self, a: End, b: End, *, us_per_byte: int) -> None:
        super().__init__(a, b)
        self.us_per_byte = us_per_byte
        self.free_us = [0, 0]

    def _send(self) -> None:
        for place, end in enumerate(self.ends):
            while self.free_us[place] <= self.now_ms * 1000:
                data = end.take_tx(self.now_ms, 1)
                if not data:
                    break
                self.free_us[place] = (
                    max(self.free_us[place], self.now_ms * 1000) + self.us_per_byte
                )
                self.flying.append((-(-self.free_us[place] // 1000), 1 - place, data))


# --- bytes that nobody meant ---


def test_what_was_offered_before_a_session_is_void_when_it_stands(library: Library) -> None:
    """HS-8: a late READY for it does not end the session."""
    host = End(library, host=True, nonce=7)
    hello = model.unstuff(host.take_tx(0).strip(b"\0"))
    assert hello is not None
    other = model.Host(mine=model.Parameters(flags=1, nonce=0xFFFFFFFF), floor=1)
    other.open(0.0)
    host.receive(other.take_tx(0.0), 0)
    other.receive(host.take_tx(0), 0.0)
    assert other.state == "unconfirmed"
    handshake = Handshake(parameters(flags=0), floor=50, new_nonce=lambda: 99)
    host.receive(model.frame(handshake.answer(hello[:-2]), model.CRC16), 0)
    agreed = handshake.pending
    ready = model.unstuff(host.take_tx(0).strip(b"\0"))
    assert agreed is not None
    assert ready is not None
    ack = struct.pack("<BHBBI", model.ACK, agreed.session, 0, ready[3], 1 << 20)
    confirm = int.from_bytes(agreed.confirm, "little")
    host.receive(model.frame(ack, agreed.profile, confirm), 0)
    assert host.state == "ESTABLISHED"
    host.receive(other.take_tx(0.0), 0)
    assert host.state == "ESTABLISHED"
    assert host.stats["sessions"] == 1


def conversation(host: model.Host) -> bytes:
    """What a host says in session 1: calls of every kind, noise and text between."""
    wire = bytearray()
    stream = b"".join(
        [
            model.message(model.CALL, 1, 1, pack(40, 2)),
            model.message(model.CALL, 2, 1, pack("x" * 200)),
            model.message(model.CALL, 3, 1, pack(6)),
            model.message(model.CALL, 5, 1, pack(300)),
            model.message(model.CALL, 77, 1, b"abc"),
            model.message(model.EVENT, 33, 0, pack(True)),
            model.message(model.CALL, 4, 1, b"raw"),
        ]
    )
    for sequence in range(-(-len(stream) // 40)):
        part = stream[40 * sequence : 40 * sequence + 40]
        head = bytes([model.DATA, 1, 0, sequence, 0])
        wire += host.seal(head + part)
        wire += (b"", b"\0\0", b"boot: ok\n", b"\xff\xfe\xfd\0")[sequence % 4]
    return bytes(wire)


LENGTH = len(conversation(model.Host()))


def heard_and_said(
    library: Library, cuts: list[int], *, small: bool
) -> tuple[bytes, dict[str, int]]:
    """What a board says to a HELLO and then to a READY and the conversation, both cut there."""
    board = End(library, small=small, nonce=3)
    host = model.Host(mine=model.Parameters(nonce=1, crc_profiles=1))
    host.open(0.0)
    for wire in (host.take_tx(0.0), None):
        if wire is None:
            host.receive(board.take_tx(5), 0.0)  # the READY needs what the HELLO_ACK says (HS-5)
            wire = host.take_tx(0.0) + conversation(host)
        places = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
        for a, b in itertools.pairwise(places):
            board.receive(wire[a:b], 5)
    return board.take_tx(5), board.stats


@given(st.lists(st.integers(0, LENGTH), max_size=12), st.booleans())
def test_any_split_of_the_same_bytes_has_the_same_effect(
    library: Library, cuts: list[int], small: bool
) -> None:
    whole = heard_and_said(library, [], small=small)
    assert heard_and_said(library, cuts, small=small) == whole
    assert whole[1]["calls_served"] >= 4  # the small one has four places


@pytest.mark.parametrize("small", [False, True])
def test_one_byte_at_a_time_has_the_same_effect(library: Library, small: bool) -> None:
    whole = heard_and_said(library, [], small=small)
    every_byte = list(range(1, LENGTH + 40))
    assert heard_and_said(library, every_byte, small=small) == whole


messages = st.builds(
    model.message,
    st.integers(0, 9),
    st.sampled_from([0, 1, 2, 3, 4, 5, 8, 9, 33, 77, 0xFFFF, 2**16, 2**40]),
    st.sampled_from([0, 1, 255, 65535, 2**32]),
    st.one_of(st.binary(max_size=40), st.just(pack(300)), st.just(pack(1, 2))),
    st.sampled_from([model.NONE, model.CHUNK, 0x80, model.COMPLETE]),
)
streams = st.lists(st.one_of(messages, st.binary(max_size=20)), max_size=10).map(b"".join)


@settings(max_examples=200)
@given(streams, st.booleans(), st.randoms(use_true_random=False))
def test_no_stream_of_bytes_breaks_the_board(
    library: Library, stream: bytes, small: bool, rng: random.Random
) -> None:
    """Whatever a host sends inside intact frames: the board lives, and the next session works."""
    line, _, board = up(library, small=small)
    line.run(50)
    for sequence, at in enumerate(range(0, len(stream), 30)):
        head = bytes([model.DATA, 1, 0, sequence, 0])
        wire = model.frame(head + stream[at : at + 30], 0 if small else 1, board.confirm)
        board.receive(wire, line.now_ms)
        board.take_tx(line.now_ms)
        board.on_deadline(line.now_ms + rng.randrange(3))
    line.now_ms += 10
    again = End(library, host=True, nonce=11)
    second = Line(again, board)
    second.now_ms = line.now_ms
    second.run(2000)
    assert again.state == "ESTABLISHED"
    call = again.call(0, b"", second.now_ms)
    assert second.finish(again, call) == lockstep.ANSWERED


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_no_noise_on_the_line_breaks_the_board(library: Library, noise: bytes) -> None:
    line, host, board = up(library, small=True)
    line.run(50)
    board.receive(noise + b"\0", line.now_ms)
    call = host.call(0, b"", line.now_ms)
    assert line.finish(host, call) == lockstep.ANSWERED
