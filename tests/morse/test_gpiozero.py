"""gpiozero as a second backend, with its mock pins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ipfi_serial.errors import TransportError
from ipfi_serial.morse.modem import Modem, ModemSettings
from ipfi_serial.transport import gpio_zero
from ipfi_serial.transport.gpio_zero import GpiozeroPins
from ipfi_serial.transport.morse_endpoint import parse_morse
from tests.morse.keyed import FRAME, keyed

gpiozero = pytest.importorskip("gpiozero", reason="no gpiozero: pip install 'ipfi-serial[gpio]'")


@pytest.fixture
def factory() -> Iterator[Any]:
    from gpiozero.pins.mock import MockFactory

    before = gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory = MockFactory()
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = before


def pins(options: str = "") -> GpiozeroPins:
    pairs = dict(pair.split("=") for pair in options.split("&") if pair)
    return GpiozeroPins(parse_morse("morse:gpiozero:tx=17,rx=27", "gpiozero:tx=17,rx=27", pairs))


def test_a_pin_is_keyed_high_and_low_in_turn_and_stays_low(factory: Any) -> None:
    own = pins()
    start_s = time.monotonic()
    own.key([start_s, start_s + 0.002, start_s + 0.004, start_s + 0.010])
    states = [state.state for state in factory.pin(17).states]
    assert states == [False, True, False, True, False]
    own.close()
    own.close()


def test_an_inverted_pin_rests_high(factory: Any) -> None:
    own = pins("invert=1")
    assert factory.pin(17).state == 1
    start_s = time.monotonic()
    own.key([start_s, start_s + 0.001])
    assert [state.state for state in factory.pin(17).states][-2:] == [False, True]
    own.close()


def test_edges_are_heard_with_their_times_and_read(factory: Any) -> None:
    own = pins()
    modem = Modem(ModemSettings(wpm=1200))
    pin = factory.pin(27)
    for k, edge_s in enumerate(keyed(start_s=time.monotonic())):
        pin._last_change = edge_s  # the mock's times are those of the call; these are the line's
        own._on_edge(edge_s, 1 - k % 2)
    heard = own.hear(1.0)
    for times_s, rising in heard.runs:
        modem.receive_edges(times_s, rising=rising)
    modem.receive_time(heard.until_s + 100.0)
    assert modem.take() == FRAME + b"\0"
    own.close()


def test_driving_the_mock_pin_is_heard(factory: Any) -> None:
    own = pins("bias=down")
    before_s = time.monotonic()
    factory.pin(27).drive_high()
    factory.pin(27).drive_low()
    ((times_s, rising),) = own.hear(1.0).runs
    assert rising
    assert len(times_s) == 2
    assert before_s <= times_s[0] <= times_s[1] <= time.monotonic()
    own.close()
    with pytest.raises(OSError, match="closed"):
        own.hear(0.1)


def test_two_edges_in_the_same_direction_are_a_lost_one(factory: Any) -> None:
    assert factory is not None
    own = pins()
    own._on_edge(1.0, 1)
    own._on_edge(2.0, 1)
    heard = own.hear(1.0)
    assert [rising for _, rising in heard.runs] == [True, True]
    own._on_edge(3.0, 1)
    assert own.hear(1.0).lost
    own.close()


def test_edges_that_nobody_takes_are_dropped_and_it_is_said(
    factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert factory is not None
    monkeypatch.setattr(gpio_zero, "_MOST_EDGES", 10)
    own = pins()
    for k in range(25):
        own._on_edge(float(k), 1 - k % 2)
    heard = own.hear(1.0)
    assert heard.lost
    assert len(heard.runs[0][0]) == 5
    own.close()


def test_a_pin_that_gpiozero_refuses_is_named(factory: Any) -> None:
    assert factory is not None
    text = "morse:gpiozero:tx=17,rx=999"
    with pytest.raises(TransportError, match="999"):
        GpiozeroPins(parse_morse(text, "gpiozero:tx=17,rx=999", {}))
