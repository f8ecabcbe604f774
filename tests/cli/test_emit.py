"""``ipfi emit``: an event to the board, and what can be known of its arrival."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from ipfi_serial import Connection, Interface, connect, listen
from tests.cli.conftest import PATIENCE_S, here, ipfi

BOARD = "sim:python"


@pytest.fixture
def device() -> Iterator[Connection]:
    """A device on a virtual port that takes the event `lamp`."""
    interface = Interface()

    @interface.event(70)
    def lamp(level: int, where: str) -> None:
        """Switch it."""

    with connect("pty:", interface, role="device") as wire:
        yield wire


@pytest.mark.parametrize("words", [("lamp", "3", "hall"), ("70", "3", '"hall"', "--lossy")])
def test_the_event_arrives_with_its_arguments(device: Connection, words: tuple[str, ...]) -> None:
    with device.events() as events:
        done = here("emit", device.endpoint, *words)
        assert (done.code, done.out, done.err) == (0, "", "")
        event = events.get(PATIENCE_S)
    assert event is not None
    assert (event.event_index, tuple(event)) == (70, (3, "hall"))


def test_programs_get_one_object() -> None:
    done = ipfi("emit", BOARD, "led", "true", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.object["ok"] is True
    assert 0 <= done.object["seconds"] < PATIENCE_S


def test_an_event_goes_over_a_plain_wire_by_its_index() -> None:
    heard: SimpleQueue[int] = SimpleQueue()
    interface = Interface()
    interface.event(33, name="lamp")(heard.put)
    with listen("tcp:127.0.0.1:0", interface) as server:
        done = here("emit", server.address, "led", "1")
        assert (done.code, "interface.declare" in done.err) == (2, True)
        done = here("emit", server.address, "33", "1", "--lossy")
        assert (done.code, "lossy" in done.err) == (2, True)
        assert here("emit", server.address, "33", "1").code == 0
        assert heard.get(timeout=PATIENCE_S) == 1  # before the server closes what waits unread


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("tick", "1", "2"), 2, "does not take it: `ipfi listen` prints it"),
        (("32", "1", "2"), 2, "tick is an event that the board emits"),
        (("add", "1", "2"), 2, "add is a procedure, and no event: `ipfi call` calls it"),
        (("12",), 2, "led is a procedure, and no event"),
        (("nope",), 1, "no event 'nope'"),
        (("led", "hex:0g"), 2, "hexadecimal digits"),
        (("led", "--timeout", "0"), 2, "seconds"),
    ],
)
def test_what_is_not_emitted_is_one_line_and_a_code(
    words: tuple[str, ...], code: int, says: str
) -> None:
    done = here("emit", BOARD, *words)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "warning"),
    [
        (("led", "on"), 'it is led(on: bool) -> None and got "on"; on is true or false'),
        (("led",), "it is led(on: bool) -> None and got nothing"),
        (("70", "1"), "the board does not say that it takes an event 70"),
    ],
)
def test_what_may_not_be_taken_is_emitted_with_a_warning(
    words: tuple[str, ...], warning: str
) -> None:
    done = here("emit", BOARD, *words)
    assert (done.code, done.out) == (0, "")
    assert warning.removeprefix("it is ") in done.err.splitlines()[0]


def test_an_event_that_is_not_acknowledged_in_time_is_a_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(_: Connection, timeout_s: float) -> bool:
        assert timeout_s == 0.5
        return False

    monkeypatch.setattr(Connection, "flush", never)
    done = here("emit", BOARD, "led", "true", "--timeout", "0.5")
    assert (done.code, done.out) == (4, "")
    assert done.err == "ipfi: the event was not acknowledged within 0.5 s\n"


@pytest.mark.parametrize("again", [True, False])
def test_a_board_that_restarts_before_it_acknowledges_may_not_have_the_event(
    monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    flush = Connection.flush

    def restarted(wire: Connection, timeout_s: float) -> bool:
        if wire.interface.procedures:  # the board's own end
            return flush(wire, timeout_s)
        sessions = wire.stats().sessions
        if again:
            wire.call("reboot")
            while wire.stats().sessions == sessions:
                wire.wait_established(PATIENCE_S)
        else:
            wire.abandon()
        return flush(wire, timeout_s) or True

    monkeypatch.setattr(Connection, "flush", restarted)
    done = here("emit", BOARD, "led", "true", "--json")
    assert done.code == 5
    assert (done.object["error"], done.object["ok"]) == ("LinkLostError", False)
    assert "the event may not have arrived" in done.err
