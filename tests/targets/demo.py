"""The small program of ports/avr/demo.c on its emulated chip."""

from __future__ import annotations

import dataclasses

from ipfi_hil.target import find_board
from ipfi_hil.targets.simavr import SimavrTarget
from ipfi_serial import Connection, Interface

CHIP = "simavr-atmega328p"
PRODUCT = "avr/demo.elf"
HOST_PROCEDURE = 50
LAMP_PIN, BUTTON_PIN = "B5", "D2"
PATIENCE_S = 20.0


def demo_target() -> SimavrTarget:
    """An ATmega328P with the demo in its flash."""
    board = find_board(CHIP)
    return SimavrTarget(
        dataclasses.replace(board, name="avr-demo", settings={**board.settings, "product": PRODUCT})
    )


def host_interface() -> Interface:
    """What the demo calls."""
    host = Interface()

    @host.procedure(HOST_PROCEDURE)
    def shout(text: str) -> str:
        return text.upper()

    return host


def exercise(wire: Connection) -> None:
    """Use everything that needs no pin."""
    for number in range(20):
        assert wire.call("add", number, 2**32 - 1, timeout_s=PATIENCE_S) == (number - 1) % 2**32
        assert wire.call("ask", "x" * number, timeout_s=PATIENCE_S) == "X" * number
    assert list(wire.stream("count", 40)) == list(range(40))
    wire.call("blink", 2, 5, timeout_s=PATIENCE_S)
    wire.emit("lamp", True)
    assert len(wire.describe()) == 7


def memory(wire: Connection) -> tuple[int, int]:
    """Bytes of static data, and of stack at the deepest."""
    data, stack = wire.call("memory", timeout_s=PATIENCE_S)
    return data, stack
