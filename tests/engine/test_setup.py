"""What a wire is built from, what it says of itself, what it counts and advises."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

import ipfi_serial
from ipfi_serial.config import NO_LIMIT_ANNOUNCED, WireConfig
from ipfi_serial.engine.advice import LineSort, connect_error, line_sort, loss_error
from ipfi_serial.engine.directory import Directory
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.setup import (
    adjusted,
    build_wire,
    check_settings,
    default_call_timeout_s,
    default_connect_timeout_s,
)
from ipfi_serial.engine.stats import WireStats, loss_report, take_stats
from ipfi_serial.errors import (
    ConfigError,
    ConnectTimeoutError,
    LinkMismatchError,
    LocalProtocolError,
    PortBusyError,
    TransportError,
)
from ipfi_serial.link.parameters import Flag, Parameters
from ipfi_serial.link.session import Link
from tests.engine.lines import Pair
from tests.engine.wires import ECHO, LED, answer, interface
from tests.harness.builds import replaces_parts


def announced(config: WireConfig, role: Any = "host", table: Interface | None = None) -> Parameters:
    """What an end says of itself in its HELLO."""
    wire = build_wire(
        table or interface(),
        config,
        framed=True,
        role=role,
        bytes_per_s=None,
        random_u32=lambda: 0x12345678,
    )
    assert isinstance(wire.link, Link)
    return wire.link._handshake.own


def test_an_end_announces_its_limits() -> None:
    config = WireConfig(
        max_calls=7,
        max_partial_calls=3,
        max_message_bytes=1000,
        stream_buffer_bytes=4096,
        frame_payload_bytes=99,
        ring_bytes=333,
        window_frames=5,
    )
    own = announced(config)
    assert (own.max_calls, own.max_partial, own.max_message_bytes) == (7, 3, 768)
    assert own.stream_credit_bytes == 4096
    assert (own.frame_payload, own.ring, own.window) == (99, 333, 5)
    assert own.schema == interface().schema != 0
    assert own.nonce == 0x12345678


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interface": "mine"}, "interface is 'mine'; it is an ipfi_serial.Interface"),
        ({"role": "slave"}, "role is 'slave'; it is 'host' or 'device'"),
        ({"link": "fraymed"}, "link is 'fraymed'; it is 'framed' or 'plain'"),
        ({"config": {}}, "config is {}; it is an ipfi_serial.WireConfig"),
        ({"timeout_s": "5"}, "connect_timeout_s is '5'"),
        ({"timeout_s": -1}, "connect_timeout_s is -1"),
        ({"timeout_s": float("nan")}, "connect_timeout_s is nan"),
    ],
)
def test_settings_of_another_type_or_name_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    right: dict[str, Any] = {"interface": Interface(), "role": "device", "link": "plain"}
    right["config"] = WireConfig()
    check_settings(**right, timeout_s=0)
    with pytest.raises(ConfigError, match=re.escape(message)):
        check_settings(**{**right, **settings})


@pytest.mark.parametrize("find", ["procedure", "event"])
def test_what_is_no_name_and_no_index_is_refused(find: str) -> None:
    directory = Directory(interface(), framed=True)
    directory.session_opened(0)
    refusal = f"is no {find}: use its name or its index"
    if ipfi_serial.__compiled__:
        refusal = r"union\[str, int\] object expected; got"  # the compiler checks types itself
    plain = Directory(interface(), framed=False)
    for wrong in (None, 1.5, ["add"]):
        with pytest.raises(TypeError, match=refusal):
            getattr(directory, find)(wrong)
        with pytest.raises(TypeError, match=refusal):
            getattr(plain, find)(wrong)
    for index in (-1, 1 << 64):
        with pytest.raises(LocalProtocolError, match=f"index {index} does not fit a message"):
            getattr(plain, find)(index)
    assert getattr(plain, find)((1 << 64) - 1).index == (1 << 64) - 1


def test_the_role_and_what_an_end_will_not_do_are_announced() -> None:
    assert Flag(announced(WireConfig()).flags) == Flag.HOST
    assert announced(WireConfig(), "device").flags == 0
    passive = announced(WireConfig(takes_calls=False, can_call=False), "device")
    assert Flag(passive.flags) == Flag.TAKES_NO_CALLS | Flag.MAKES_NO_CALLS
    assert passive.max_calls == 0


@pytest.mark.parametrize(
    ("size", "units"),
    [
        (256, 1),
        (511, 1),
        (16 << 20, NO_LIMIT_ANNOUNCED),
        ((16 << 20) - 1, NO_LIMIT_ANNOUNCED - 1),
        (1 << 40, NO_LIMIT_ANNOUNCED),
    ],
)
def test_from_16_mebibytes_on_there_is_no_limit_to_announce(size: int, units: int) -> None:
    assert announced(WireConfig(max_message_bytes=size)).max_message == units


def test_default_times_are_a_constant_and_a_multiple_of_the_wire_time() -> None:
    assert default_connect_timeout_s(None) == 5.0
    assert default_connect_timeout_s(7.3) > 60
    assert default_call_timeout_s(WireConfig(call_timeout_s=3), None) == 3
    assert default_call_timeout_s(WireConfig(call_timeout_s=3), 77) == 103


def test_what_connect_is_told_goes_into_the_configuration() -> None:
    own = WireConfig(max_calls=3)
    assert adjusted(None, can_call=True) == WireConfig()
    assert adjusted(own, can_call=True) is own
    assert adjusted(own, can_call=False) == replace(own, can_call=False)


# --- statistics ---


def test_statistics_count_what_happened() -> None:
    pair = Pair()
    pair.b.handlers[ECHO] = answer
    pair.a.start(ECHO, b"x")
    pair.a.start(99)
    pair.settle()
    pair.a.start(98)
    stats = take_stats(pair.a.wire, 3)
    assert (stats.state, stats.sessions, stats.open_calls) == ("ESTABLISHED", 1, 1)
    assert stats.frames_sent > 0
    assert stats.frames_received > 0
    assert stats.bytes_sent > 0
    assert stats.bytes_received > 0
    assert stats.events_dropped == 3
    assert stats.rtt_s is not None
    pair.settle()
    assert take_stats(pair.b.wire, 0).refused == 2


def test_statistics_of_a_plain_wire_know_no_frames() -> None:
    pair = Pair(framed=False)
    pair.b.handlers[ECHO] = answer
    pair.a.start(ECHO, b"x")
    pair.settle()
    stats = take_stats(pair.a.wire, 0)
    assert (stats.frames_sent, stats.crc_errors, stats.rtt_s) == (0, 0, None)
    assert stats.bytes_sent == stats.bytes_received == 6


def test_statistics_of_a_bad_line_count_its_faults() -> None:
    pair = Pair()
    pair.fault = lambda direction, number, frame: (
        [] if direction == "a to b" and number == pair.carried["a to b"] - 1 else [frame]
    )
    call = pair.a.start(ECHO, b"x")
    pair.settle()
    pair.fault = None
    pair.a.wire.receive_bytes(b"\x00\x05\x81garbage\x00text\n\x00", pair.now_s)
    pair.run(2)
    stats = take_stats(pair.a.wire, 0)
    assert stats.retransmissions == 1
    assert stats.rejected + stats.crc_errors == 1
    assert stats.noise_bytes > 0
    assert not pair.a.is_over(call)


# --- advice ---


@pytest.mark.parametrize(
    ("heard", "advice"),
    [
        ({}, "nothing came: check that the device is powered"),
        ({"bytes_received": 5}, "only 5 bytes came: check the baud rate"),
        ({"bytes_received": 5000}, "5000 bytes came, and neither a frame nor text was among them"),
        ({"bytes_received": 5000}, "check that RX is not held low or left open, the baud rate"),
        ({"text_lines": 2, "bytes_received": 50}, "2 lines of text came, but no frame"),
        ({"crc_errors": 3, "noise_bytes": 80}, "80 bytes came that are no frames"),
        ({"rejected": 3, "text_lines": 1}, "check the baud rate"),
        ({"frames_received": 4, "crc_errors": 9}, "4 good frames came"),
        (
            {"stale_frames": 40, "bytes_received": 640},
            "40 frames of another session came: the line",
        ),
        (
            {"crc_errors": 9, "stale_frames": 1, "noise_bytes": 80},
            "80 bytes came that are no frames",
        ),
    ],
)
def test_a_failed_connect_says_what_was_heard_and_what_to_check(
    heard: dict[str, Any], advice: str
) -> None:
    pair = Pair(opened=False)
    nothing: WireStats = take_stats(pair.a.wire, 0)
    error = connect_error(replace(nothing, **heard), "/dev/ttyX", 5.0)
    assert isinstance(error, ConnectTimeoutError)
    assert str(error).startswith("/dev/ttyX: no IPFI handshake within 5.0 s: ")
    assert advice in str(error)


@pytest.mark.parametrize(
    ("endpoint", "bytes_per_s", "sort"),
    [
        ("/dev/ttyUSB0", 11520.0, "serial"),
        ("/dev/pts/3", None, "local"),
        ("rfc2217://host:2217", 11520.0, "serial"),
        ("pty:", None, "local"),
        ("pty:?bps=960", 960.0, "local"),
        ("loopback:test", None, "local"),
        ("stdio:", None, "local"),
        ("tcp:host:5000?link=framed", None, "network"),
        ("unix-listen:/run/board", None, "network"),
        ("socket://host:5000", None, "network"),
    ],
)
def test_advice_knows_what_sort_of_line_it_is(
    endpoint: str, bytes_per_s: float | None, sort: str
) -> None:
    assert line_sort(endpoint, bytes_per_s) == sort


@pytest.mark.parametrize("sort", ["network", "local"])
@pytest.mark.parametrize("state", ["CONNECTING", "LISTENING"])
@pytest.mark.parametrize(
    "heard",
    [
        {},
        {"bytes_received": 5},
        {"crc_errors": 3, "noise_bytes": 80},
        {"frames_received": 4},
        {"stale_frames": 4},
        {"sessions": 1, "frames_received": 9},
    ],
)
def test_a_line_without_hardware_gets_no_advice_about_hardware(
    sort: LineSort, state: str, heard: dict[str, Any]
) -> None:
    nothing = take_stats(Pair(opened=False).a.wire, 0)
    error = connect_error(replace(nothing, state=state, **heard), "line", 5.0, sort)
    assert ("no host came" in str(error)) is (state == "LISTENING")
    for word in ("TX", "power", "baud rate and that", "check the baud"):
        assert word not in str(error)


def test_frames_of_another_session_are_told_from_a_wrong_baud_rate() -> None:
    pair, stranger = Pair(), Pair(opened=False).a
    stranger.wire.open(0.0)
    for number in range(5):
        pair.a.emit(LED, bytes((number,)))
        stranger.wire.receive_bytes(pair.a.wire.bytes_to_send(pair.now_s), 0.0)
    stats = take_stats(stranger.wire, 0)
    assert (stats.stale_frames, stats.crc_errors, stats.rejected) == (5, 0, 0)
    assert "5 frames of another session came" in str(connect_error(stats, "/dev/ttyX", 5.0))


def test_a_line_that_is_hung_up_at_once_is_probably_plain() -> None:
    gone = TransportError("gone")
    nothing = take_stats(Pair(opened=False).a.wire, 0)
    error = loss_error(gone, nothing, usually_plain=True)
    assert isinstance(error, LinkMismatchError)
    assert error.ours == "framed"
    assert loss_error(gone, nothing, usually_plain=False) is gone
    assert loss_error(gone, replace(nothing, frames_received=1), usually_plain=True) is gone
    busy = PortBusyError("/dev/ttyX")
    assert loss_error(busy, nothing, usually_plain=True) is busy


def test_a_loss_report_tells_what_was_handed_over_and_repeated_since_the_last_time() -> None:
    told: list[tuple[int, int]] = []

    class Adaptive:
        def note_losses(self, frames: int, repeats: int) -> None:
            told.append((frames, repeats))

    pair = Pair()
    report = loss_report(pair.a.wire, Adaptive())
    assert report is not None
    before = pair.a.wire.link.counters.frames_sent
    report.tell()
    report.tell()
    assert told == [(before, 0)], "once: nothing was handed over since"
    pair.a.start(ECHO, b"lost")
    pair.a.wire.bytes_to_send(pair.now_s)
    deadline_s = pair.a.wire.next_deadline_s()
    assert deadline_s is not None
    pair.a.wire.on_deadline(deadline_s)
    pair.a.wire.bytes_to_send(deadline_s)
    report.tell()
    assert sum(repeats for _, repeats in told) == 1


@replaces_parts
def test_the_link_is_told_when_a_transport_that_adapts_changes_its_speed() -> None:
    class Adaptive:
        bytes_per_s = 1000.0

        def note_losses(self, frames: int, repeats: int) -> None:
            pass

    line = Adaptive()
    told: list[float] = []
    pair = Pair()
    pair.a.wire.link.set_speed = told.append  # type: ignore[method-assign, union-attr]
    report = loss_report(pair.a.wire, line)
    assert report is not None
    report.tell()
    assert told == []
    line.bytes_per_s = 500.0
    pair.a.start(ECHO, b"more")
    pair.a.wire.bytes_to_send(pair.now_s)
    report.tell()
    assert told == [500.0]


def test_a_transport_that_does_not_ask_gets_no_loss_report() -> None:
    assert loss_report(Pair().a.wire, object()) is None


def test_a_plain_wire_has_no_losses_to_tell() -> None:
    told: list[tuple[int, int]] = []

    class Adaptive:
        def note_losses(self, *losses: int) -> None:
            told.append(losses)  # type: ignore[arg-type]

    report = loss_report(Pair(framed=False).a.wire, Adaptive())
    assert report is not None
    report.tell()
    assert not told


@pytest.mark.parametrize("framed", [True, False])
def test_a_wire_says_what_waits_and_what_is_under_way(framed: bool) -> None:
    pair = Pair(framed=framed)
    wire = pair.a.wire
    pair.a.start(ECHO, b"x")
    assert wire.queued_messages == 1
    assert wire.queued_bytes > 0
    assert wire.frames_under_way == 0
    wire.bytes_to_send(pair.now_s)
    assert wire.queued_messages == wire.queued_bytes == 0
    assert wire.frames_under_way == framed
    wire.close(pair.now_s)
    assert wire.frames_under_way == 0
