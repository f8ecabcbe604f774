"""What a ``morse:`` endpoint string says: which pins, how fast, in which alphabet.

``morse:gpiochip0:tx=17,rx=27?wpm=20``, ``morse:gpiozero:tx=17,rx=27``, ``morse:gpiochip0:pin=17``,
``morse:sim:NAME?wpm=1200&duplex=half``.  docs/morse.md has them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from ipfi_serial.errors import ConfigError
from ipfi_serial.morse.alphabet import AlphabetName
from ipfi_serial.morse.modem import ModemSettings

Backend = Literal["sim", "gpiod", "gpiozero"]
Bias = Literal["off", "up", "down"]

MOST_WPM: Final = 60_000.0  # a unit of 20 us; docs/morse.md says what hardware keeps up
LEAST_WPM: Final = 1.0
EXAMPLE: Final = "morse:gpiochip0:tx=17,rx=27?wpm=20"
DEFAULT_WPM: Final = 20.0  # a hand and an ear follow it
_CRCS: Final = {"": None, "16": 0b01, "32": 0b11}  # every end offers CRC-16 (FRAME-6)
_CHIP: Final = re.compile(r"gpiochip\d+")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class MorseLine:
    """Where the pins are, and how they are keyed.

    Attributes:
        backend: what moves the pins.
        name: of the chip, or of the simulated line.
        tx: pin that this end keys; equal to ``rx`` if one pin does both.
        rx: pin that this end hears.
        settings: of the modem.
        bias: pull resistor of the pin that is heard.
        invert: whether a mark is low on the pin that this end keys.
        crc_profiles: mask of FRAME-6 to offer; None leaves that to the configuration.
    """

    backend: Backend
    name: str
    tx: int
    rx: int
    settings: ModemSettings
    bias: Bias
    invert: bool
    crc_profiles: int | None


def parse_morse(text: str, rest: str, options: Mapping[str, str]) -> MorseLine:
    """Take the part behind ``morse:`` and the options apart.

    Args:
        text: the whole endpoint, for messages.
        rest: what stands between ``morse:`` and ``?``.
        options: what stands behind.

    Raises:
        ConfigError: it makes no sense; the message says what is wrong and shows what does.
    """
    place, _, pins = rest.partition(":")
    if options.get("link", "framed") != "framed":
        _refuse(text, "Morse loses characters, so link=plain cannot work on it")
    if place == "sim":
        if not _NAME.fullmatch(pins):
            _refuse(text, "a simulated line needs a name of letters, digits, '.', '_' and '-'")
        backend, name, tx, rx = "sim", pins, 0, 0
    elif place == "gpiozero" or _CHIP.fullmatch(place):
        backend, name = ("gpiozero" if place == "gpiozero" else "gpiod"), place
        tx, rx = _pins_of(text, pins)
    else:
        _refuse(text, f"{place!r} is no gpiochip0, gpiozero or sim")
    one_pin = backend != "sim" and tx == rx
    if one_pin and backend == "gpiozero":
        _refuse(text, "gpiozero needs two pins; join them outside for duplex=half")
    return MorseLine(
        backend="sim" if backend == "sim" else "gpiozero" if backend == "gpiozero" else "gpiod",
        name=name,
        tx=tx,
        rx=rx,
        settings=_settings_of(text, options, shared=one_pin),
        bias=_bias_of(text, options.get("bias", "off")),
        invert=_choice(text, options, "invert", ("0", "1")) == "1",
        crc_profiles=_CRCS[_choice(text, options, "crc", ("", "16", "32"))],
    )


def _refuse(text: str, why: str) -> NoReturn:
    raise ConfigError(f"endpoint {text!r}: {why}; for example {EXAMPLE}")


def _pins_of(text: str, pins: str) -> tuple[int, int]:
    pairs = dict(part.partition("=")[::2] for part in pins.split(",") if part)
    if not all(number.isdecimal() and len(number) <= 4 for number in pairs.values()):
        _refuse(text, "pins are numbers")
    if set(pairs) == {"pin"}:
        return int(pairs["pin"]), int(pairs["pin"])
    if set(pairs) != {"tx", "rx"}:
        _refuse(text, "the pins are missing: tx=17,rx=27, or pin=17 for one that does both")
    if pairs["tx"] == pairs["rx"]:
        _refuse(text, "one pin that does both is written pin=17")
    return int(pairs["tx"]), int(pairs["rx"])


def _settings_of(text: str, options: Mapping[str, str], *, shared: bool) -> ModemSettings:
    duplex = _choice(text, options, "duplex", ("half", "full") if shared else ("full", "half"))
    if shared and duplex == "full":
        _refuse(text, "one pin cannot hear while it is keyed: duplex=half")
    seed = options.get("seed", "0")
    if not seed.isdecimal():
        _refuse(text, f"seed={seed!r} is no number")
    alphabet: AlphabetName = "compact"
    if _choice(text, options, "alphabet", ("compact", "itu")) == "itu":
        alphabet = "itu"
    return ModemSettings(
        wpm=_wpm_of(text, options.get("wpm")),
        alphabet=alphabet,
        shared=duplex == "half",
        seed=int(seed),
    )


def _wpm_of(text: str, value: str | None) -> float:
    if value is None:
        return DEFAULT_WPM
    if not re.fullmatch(r"\d+(\.\d*)?", value) or not LEAST_WPM <= float(value) <= MOST_WPM:
        _refuse(text, f"wpm={value!r}: words a minute are {LEAST_WPM:.0f} to {MOST_WPM:.0f}")
    return float(value)


def _bias_of(text: str, value: str) -> Bias:
    if value == "up":
        return "up"
    if value == "down":
        return "down"
    if value != "off":
        _refuse(text, f"bias={value!r}; it is up, down or off")
    return "off"


def _choice(text: str, options: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """Return an option, the first allowed value if it is not there."""
    value = options.get(name, allowed[0])
    if value not in allowed:
        _refuse(text, f"{name}={value!r}; it is {' or '.join(filter(None, allowed))}")
    return value
