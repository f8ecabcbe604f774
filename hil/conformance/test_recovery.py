"""What is left when the board restarts, the cable is pulled, or the line goes bad."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from ipfi_hil.bench import Bench
from ipfi_hil.faults import LinkFaults
from ipfi_serial import Connection
from ipfi_serial.errors import DeviceResetError, IpfiError, TransportError
from ipfi_serial.transport.impaired import LineFaults

requirement = pytest.mark.ipfi_requirement
needs = pytest.mark.ipfi_needs
GREET = 50
FOR_EVER_MS = 1_000_000_000  # 11 days: of virtual time, much may pass
BAD_BYTES = 0.004  # of each kind of fault, so about one frame of 20 bytes in three is damaged
NOISE = LineFaults(
    byte_flip=BAD_BYTES, byte_drop=BAD_BYTES, byte_insert=BAD_BYTES, byte_double=BAD_BYTES
)
LOSS = LineFaults(frame_loss=0.2)
LINES = pytest.mark.parametrize("line", [NOISE, LOSS], ids=["noise", "loss"])


class Resets:
    """Counts the resets that a wire reports."""

    def __init__(self, wire: Connection) -> None:
        self.causes: list[str] = []
        self._seen = threading.Event()
        wire.on_reset(self._note)

    def _note(self, error: DeviceResetError) -> None:
        self.causes.append(error.cause)
        self._seen.set()

    def wait(self, timeout_s: float) -> None:
        """Wait for the first one."""
        assert self._seen.wait(timeout_s), "no reset was reported"


# --- resets ---


@requirement("HS-7", "HS-11", "HS-12")
@needs("reset")
def test_a_reset_of_an_idle_board_is_reported_and_the_next_call_served(
    ipfi_target: Bench, ipfi_board: Connection
) -> None:
    resets = Resets(ipfi_board)
    assert ipfi_board.call("add", 40, 2) == 42
    ipfi_target.reset()
    resets.wait(ipfi_target.patience_s(10.0))
    assert ipfi_board.call("add", 40, 2) == 42
    assert len(resets.causes) == 1
    assert ipfi_board.stats().resets == 1


@requirement("HS-12")
@needs("reset", "sleep")
def test_a_reset_ends_the_calls_in_flight_which_may_have_executed(
    ipfi_target: Bench, ipfi_board: Connection
) -> None:
    slow = ipfi_board.start("sleep", FOR_EVER_MS)
    assert ipfi_board.flush(ipfi_target.patience_s(5.0))
    ipfi_target.reset()
    with pytest.raises(DeviceResetError) as ended:
        slow.result()
    assert ended.value.may_have_executed is True
    assert ipfi_board.call("add", 40, 2) == 42


@requirement("HS-12", "STREAM-1")
@needs("reset")
def test_a_reset_ends_a_stream_with_an_error(ipfi_target: Bench, ipfi_board: Connection) -> None:
    with ipfi_board.stream("sequence", 2**32 - 1) as items:
        assert next(iter(items)) == "item 0"
        ipfi_target.reset()
        with pytest.raises(DeviceResetError):
            for _ in items:
                pass
    assert ipfi_board.call("add", 40, 2) == 42


@requirement("HS-12")
@needs("reset", "led")
def test_the_board_forgets_everything_at_a_reset(
    ipfi_target: Bench, ipfi_board: Connection
) -> None:
    resets = Resets(ipfi_board)
    ipfi_board.emit("led", True)
    until_s = time.monotonic() + ipfi_target.patience_s(5.0)
    while ipfi_board.call("led") is False:
        assert time.monotonic() < until_s
    ipfi_target.reset()
    resets.wait(ipfi_target.patience_s(10.0))
    assert ipfi_board.call("led") is False


@requirement("HS-11", "HS-12")
@needs("reboot")
def test_a_board_that_restarts_itself_answers_first(
    ipfi_target: Bench, ipfi_board: Connection
) -> None:
    resets = Resets(ipfi_board)
    assert ipfi_board.call("reboot") is None
    resets.wait(ipfi_target.patience_s(10.0))
    assert ipfi_board.call("add", 40, 2) == 42


@requirement("HS-2", "HS-12")
@needs("reset")
def test_one_reset_after_the_other_is_survived(ipfi_target: Bench, ipfi_board: Connection) -> None:
    for number in range(1, 4):
        ipfi_target.reset()
        until_s = time.monotonic() + ipfi_target.patience_s(10.0)
        while ipfi_board.stats().resets < number and time.monotonic() < until_s:
            try:
                ipfi_board.call("add", 40, 2)
            except DeviceResetError:
                continue
        assert ipfi_board.stats().resets == number
    assert ipfi_board.call("add", 40, 2) == 42


# --- the cable ---


@requirement("HS-7")
@needs("unplug")
def test_pulling_the_cable_ends_the_wire_with_what_was_in_flight(
    ipfi_target: Bench, ipfi_board: Connection
) -> None:
    call = ipfi_board.stream("sequence", 2**32 - 1)
    assert next(iter(call)) == "item 0"
    ipfi_target.unplug()
    with pytest.raises(TransportError):
        for _ in call:
            pass
    assert ipfi_board.closed
    with pytest.raises(IpfiError):
        ipfi_board.call("add", 40, 2)


@requirement("HS-7", "LINK-19")
@needs("unplug")
def test_after_the_cable_is_back_a_new_wire_works(ipfi_target: Bench) -> None:
    first = ipfi_target.connect()
    assert first.call("add", 40, 2) == 42
    ipfi_target.unplug()
    ipfi_target.replug()
    second = ipfi_target.connect()
    assert second.call("add", 20, 22) == 42


# --- a bad line ---


@requirement("LINK-1", "LINK-2", "LINK-9", "FRAME-3")
@LINES
def test_calls_are_right_on_a_bad_line(
    ipfi_board: Connection, ipfi_link_faults: LinkFaults, line: LineFaults
) -> None:
    ipfi_link_faults.set(line)
    for number in range(15):
        assert ipfi_board.call("add", number, 1000) == 1000 + number
    outgoing, incoming = ipfi_link_faults.counts()
    ipfi_link_faults.clear()
    assert ipfi_board.stats().sessions == 1
    assert outgoing.bytes_in != outgoing.bytes_out or incoming.bytes_in != incoming.bytes_out


@requirement("STREAM-1", "LINK-2", "LINK-3")
@LINES
def test_a_stream_is_whole_and_in_order_on_a_bad_line(
    ipfi_target: Bench, ipfi_board: Connection, ipfi_link_faults: LinkFaults, line: LineFaults
) -> None:
    ipfi_link_faults.set(line)
    count = ipfi_target.amount(40, least=15)
    with ipfi_board.stream("sequence", count) as items:
        assert list(items) == [f"item {number}" for number in range(count)]
    ipfi_link_faults.clear()
    assert ipfi_board.stats().sessions == 1


@requirement("EVENT-2", "LINK-2")
@needs("tick")
@LINES
def test_no_event_is_lost_on_a_bad_line(
    ipfi_target: Bench, ipfi_board: Connection, ipfi_link_faults: LinkFaults, line: LineFaults
) -> None:
    with ipfi_board.events("tick") as ticks:
        ipfi_link_faults.set(line)
        ipfi_board.call("start_ticks", round(20 * ipfi_target.slowness))
        counts = [count for count, _ in itertools.islice(ticks, 12)]
        ipfi_link_faults.clear()
        ipfi_board.call("start_ticks", 0)
    assert counts == list(range(counts[0], counts[0] + 12))


@requirement("CALL-1", "LINK-2")
@needs("callback")
@LINES
def test_the_host_is_called_once_for_each_call_on_a_bad_line(
    ipfi_board: Connection, ipfi_link_faults: LinkFaults, line: LineFaults
) -> None:
    ipfi_link_faults.set(line)
    for number in range(6):
        assert ipfi_board.call("callback", GREET, str(number)) == f"hello {number}"
    ipfi_link_faults.clear()
    assert ipfi_board.stats().sessions == 1


@requirement("HS-5", "HS-3")
def test_a_session_begins_on_a_bad_line(ipfi_target: Bench, ipfi_link_faults: LinkFaults) -> None:
    """Four frames have to pass; each attempt that fails costs the host half a second."""
    ipfi_link_faults.set(LOSS)
    wire = ipfi_target.connect(connect_timeout_s=ipfi_target.patience_s(30.0))
    assert wire.call("add", 40, 2) == 42


@requirement("HS-12", "LINK-2")
@needs("reset")
def test_a_reset_on_a_bad_line_is_still_seen_as_one(
    ipfi_target: Bench, ipfi_board: Connection, ipfi_link_faults: LinkFaults
) -> None:
    resets = Resets(ipfi_board)
    ipfi_link_faults.set(LOSS)
    ipfi_target.reset()
    until_s = time.monotonic() + ipfi_target.patience_s(20.0)
    while not resets.causes and time.monotonic() < until_s:
        try:
            ipfi_board.call("add", 40, 2)
        except DeviceResetError:
            break
    resets.wait(ipfi_target.patience_s(10.0))
    ipfi_link_faults.clear()
    assert ipfi_board.call("add", 40, 2) == 42


# --- text between frames ---


@requirement("FRAME-8", "LINK-17")
@needs("text")
def test_what_it_prints_arrives_as_text_between_frames(
    ipfi_target: Bench, ipfi_board: Connection
) -> None:
    lines: list[str] = []
    heard = threading.Event()

    @ipfi_board.on_text
    def note(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            heard.set()

    for number in range(3):
        ipfi_board.call("say", f"line {number}")
        assert ipfi_board.call("add", number, 1) == number + 1
    assert heard.wait(ipfi_target.patience_s(5.0))
    assert lines == ["line 0", "line 1", "line 2"]
    stats = ipfi_board.stats()
    assert (stats.rejected, stats.crc_errors, stats.sessions) == (0, 0, 1)


@requirement("FRAME-8", "LINK-17")
@needs("text")
def test_printing_while_a_stream_runs_damages_nothing(ipfi_board: Connection) -> None:
    with ipfi_board.stream("sequence", 30) as items:
        first = next(iter(items))
        ipfi_board.call("say", "in the middle of it all")
        rest = list(items)
    assert [first, *rest] == [f"item {number}" for number in range(30)]
    assert ipfi_board.stats().crc_errors == 0


# --- all at once ---


@requirement("CALL-3", "STREAM-1", "EVENT-2", "LINK-2", "LINK-9")
@needs("callback", "tick")
def test_a_short_soak_loses_nothing(
    ipfi_target: Bench, ipfi_board: Connection, ipfi_link_faults: LinkFaults
) -> None:
    """Calls, streams, events and callbacks together, on a line that comes and goes."""
    with ipfi_board.events("tick") as ticks:
        ipfi_board.call("start_ticks", round(50 * ipfi_target.slowness))
        for turn in range(4):
            ipfi_link_faults.set(NOISE if turn % 2 else LOSS)
            assert [ipfi_board.call("add", k, turn) for k in range(5)] == [
                k + turn for k in range(5)
            ]
            assert ipfi_board.call("callback", GREET, str(turn)) == f"hello {turn}"
            with ipfi_board.stream("sequence", 10) as items:
                assert list(items) == [f"item {number}" for number in range(10)]
            ipfi_link_faults.clear()
        ipfi_board.call("start_ticks", 0)
        counts = [count for count, _ in itertools.islice(ticks, 4)]
    assert counts == list(range(counts[0], counts[0] + 4))
    stats = ipfi_board.stats()
    assert (stats.sessions, stats.resets, stats.open_calls) == (1, 0, 0)
