"""The transport ``morse:`` reaches an emulated ATmega328P's pins in real time.

Edges have the chip's cycles and the line's times, not those of a thread: a busy machine makes this
slower, and does not make it fail.
"""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from ipfi_hil.target import find_target
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_morse import MorseChip, morse_product
from ipfi_serial import Interface, WireConfig, connect

WPM = 4800
LONG_S = 60.0
ADD, COUNT, ASK, LAMP, LAMP_IS, TWICE = 1, 2, 3, 32, 33, 64  # morse_main.c


def test_a_host_calls_the_chip_and_is_called_back_in_real_time() -> None:
    why = find_target("simavr-atmega328p").why_unavailable()
    if why is not None:
        pytest.skip(why)
    name = f"chip-{uuid4().hex[:12]}"
    lamp: list[bool] = []
    told = threading.Event()
    host = Interface()

    @host.procedure(TWICE)
    def twice(number: int) -> int:
        return 2 * number

    @host.event(LAMP_IS)
    def lamp_is(on: bool) -> None:
        lamp.append(on)
        told.set()

    config = WireConfig(call_timeout_s=LONG_S)
    with (
        MorseChip(name, build_firmware(morse_product("compact", WPM))) as chip,
        connect(
            f"morse:sim:{name}?wpm={WPM}", host, connect_timeout_s=LONG_S, config=config
        ) as wire,
    ):
        assert wire.call(ADD, 40, 2) == 42
        assert list(wire.stream(COUNT, 5)) == list(range(5))
        assert wire.call(ASK, 20) == 41
        wire.emit(LAMP, True)
        assert told.wait(LONG_S)
        assert lamp == [True]
        assert chip.running
    assert chip.failure is None
