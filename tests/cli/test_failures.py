"""Exit codes and sentences for every error, and what a loss does to the demo."""

from __future__ import annotations

import pytest

from ipfi_serial import (
    CallCancelledError,
    CallRefusedError,
    CallTimeoutError,
    ConfigError,
    Connection,
    ConnectTimeoutError,
    DeviceResetError,
    EchoingLineError,
    HandshakeRefusedError,
    IpfiError,
    LinkLostError,
    LinkMismatchError,
    LocalProtocolError,
    NoSessionError,
    PortBusyError,
    PortNotFoundError,
    RemoteCallError,
    TransportError,
    WireClosedError,
    connect,
)
from ipfi_serial.cli import demo, story
from ipfi_serial.cli.failures import CannotConnectError, ExitCode, failure_of
from ipfi_serial.cli.screen import harmless, plain, shown

CONNECTING = [
    (ConfigError("baud=0"), ExitCode.USAGE),
    (PortNotFoundError("/dev/x"), ExitCode.NO_CONNECTION),
    (PortBusyError("/dev/x"), ExitCode.NO_CONNECTION),
    (ConnectTimeoutError("check the baud rate", 5.0), ExitCode.NO_CONNECTION),
    (HandshakeRefusedError("busy", 1, 1), ExitCode.NO_CONNECTION),
    (EchoingLineError(), ExitCode.NO_CONNECTION),
    (LinkMismatchError("framed"), ExitCode.NO_CONNECTION),
    (TransportError("no"), ExitCode.NO_CONNECTION),
]
CALLING = [
    (CallTimeoutError("late", may_have_executed=True), ExitCode.TIMEOUT),
    (CallRefusedError("no", reason="limit"), ExitCode.FAILED),
    (RemoteCallError("no", may_have_executed=True), ExitCode.FAILED),
    (CallCancelledError("no", may_have_executed=True), ExitCode.FAILED),
    (LocalProtocolError("no"), ExitCode.USAGE),
    (TransportError("gone"), ExitCode.LINE_LOST),
    (LinkLostError("silent", 5.0), ExitCode.LINE_LOST),
    (DeviceResetError("watchdog"), ExitCode.LINE_LOST),
    (WireClosedError("bye"), ExitCode.LINE_LOST),
    (NoSessionError("nobody"), ExitCode.LINE_LOST),
]


@pytest.mark.parametrize(("error", "code"), CONNECTING)
def test_an_error_before_the_connection_has_a_code(error: IpfiError, code: ExitCode) -> None:
    failure = failure_of(CannotConnectError(error))
    assert failure is not None
    assert (failure.code, failure.error, failure.message) == (
        code,
        type(error).__name__,
        str(error),
    )


@pytest.mark.parametrize(("error", "code"), CALLING)
def test_an_error_of_a_connection_has_a_code(error: IpfiError, code: ExitCode) -> None:
    failure = failure_of(error)
    assert failure is not None
    assert failure.code == code
    assert failure.may_have_executed == error.may_have_executed
    assert failure.as_object()["exit_code"] == int(code)


def test_a_call_that_a_reset_ended_says_that_it_may_have_been_carried_out() -> None:
    failure = failure_of(DeviceResetError("watchdog").for_call(may_have_executed=True))
    assert failure is not None
    assert failure.advice == "the call may have been carried out"


def test_a_bug_is_no_expected_failure() -> None:
    assert failure_of(KeyError("x")) is None


def test_a_step_that_fails_is_part_of_the_story_and_a_loss() -> None:
    def broken(wire: Connection, tally: story.Tally) -> story.Told:
        tally.calls += bool(wire)
        raise TransportError("gone")

    tally = story.Tally()
    with connect("sim:python") as wire:
        told = demo._run_step(broken, wire, tally)
    assert (told.ok, told.answered, tally.lost) == (False, "TransportError: gone", 1)


def test_what_is_missing_is_counted() -> None:
    told = story._counted("x", "values", 3, 5)
    assert (told.ok, told.missing, told.answered) == (False, 2, "only 3 of 5 values")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (float("nan"), '"nan"'),
        ([1, "a", b"\x01"], '[1, "a", {"hex": "01"}]'),
        ({1: {"b": None}}, '{"1": {"b": null}}'),
        (b"\x00\xff", "00ff"),
    ],
)
def test_values_are_shown_as_arguments_are_typed(value: object, text: str) -> None:
    assert shown(value) == text


def test_what_json_cannot_hold_is_written_out() -> None:
    assert plain({"when": object}) == {"when": "<class 'object'>"}


def test_control_characters_are_written_out() -> None:
    assert harmless("a\x1b[2J\tb\né\x9b") == "a\\x1b[2J\tb\né\\x9b"
