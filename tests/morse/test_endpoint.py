"""Endpoint strings of Morse lines."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import ConfigError
from ipfi_serial.transport import parse_endpoint
from ipfi_serial.transport.morse_endpoint import MorseLine, parse_morse


def line_of(text: str) -> MorseLine:
    endpoint = parse_endpoint(text)
    return parse_morse(text, endpoint.name, dict(endpoint.options))


def test_two_pins_of_a_chip_are_a_full_duplex_line_of_20_words_a_minute() -> None:
    line = line_of("morse:gpiochip0:tx=17,rx=27")
    assert (line.backend, line.name, line.tx, line.rx) == ("gpiod", "gpiochip0", 17, 27)
    assert (line.settings.wpm, line.settings.alphabet) == (20.0, "compact")
    assert not line.settings.shared
    assert (line.bias, line.invert, line.crc_profiles) == ("off", False, None)


def test_every_option_is_understood() -> None:
    line = line_of(
        "morse:gpiochip12:tx=1,rx=2?wpm=1200.5&alphabet=itu&duplex=half&seed=7&bias=up&invert=1"
    )
    assert (line.settings.wpm, line.settings.alphabet) == (1200.5, "itu")
    assert (line.settings.shared, line.settings.seed) == (True, 7)
    assert (line.bias, line.invert) == ("up", True)


def test_one_pin_that_does_both_is_half_duplex() -> None:
    line = line_of("morse:gpiochip0:pin=4?bias=down")
    assert (line.tx, line.rx, line.settings.shared, line.bias) == (4, 4, True, "down")


def test_gpiozero_and_a_simulated_line_are_other_backends() -> None:
    assert line_of("morse:gpiozero:tx=17,rx=27").backend == "gpiozero"
    assert (line_of("morse:sim:a-1").backend, line_of("morse:sim:a-1").name) == ("sim", "a-1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("morse:", "no gpiochip0, gpiozero or sim"),
        ("morse:sim:", "needs a name"),
        ("morse:sim:a/b", "needs a name"),
        ("morse:gpiochip0", "tx=17,rx=27"),
        ("morse:gpiochip0:tx=1", "tx=17,rx=27"),
        ("morse:gpiochip0:tx=a,rx=2", "pins are numbers"),
        ("morse:gpiochip0:tx=5,rx=5", "pin=17"),
        ("morse:gpiozero:pin=5", "two pins"),
        ("morse:gpiochip0:pin=5?duplex=full", "cannot hear while it is keyed"),
        ("morse:sim:x?wpm=0", "1 to 60000"),
        ("morse:sim:x?wpm=fast", "1 to 60000"),
        ("morse:sim:x?alphabet=wabun", "compact or itu"),
        ("morse:sim:x?duplex=both", "full or half"),
        ("morse:sim:x?seed=x", "no number"),
        ("morse:sim:x?bias=left", "up, down or off"),
        ("morse:sim:x?invert=2", "0 or 1"),
        ("morse:sim:x?crc=8", "16 or 32"),
        ("morse:sim:x?link=plain", "Morse loses characters"),
        ("morse:sim:x?baud=9600", "unknown option 'baud'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_does(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        parse_endpoint(text)
    assert "for example morse:gpiochip0:tx=17,rx=27" in str(refusal.value)
