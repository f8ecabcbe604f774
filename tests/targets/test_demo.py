"""The small program on the ATmega328P serves calls, streams, events and a callback."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from ipfi_hil.targets.simavr import SimavrTarget
from ipfi_hil.targets.simavr_control import ChipControl, Edge
from ipfi_serial import Connection, connect
from ipfi_serial.errors import CallRefusedError, DeviceResetError
from ipfi_serial.transport import ImpairedTransport, LineFaults, open_transport
from tests.targets import demo, sizes
from tests.targets.chips import available


@pytest.fixture
def target() -> Iterator[SimavrTarget]:
    available(demo.CHIP)
    chip = demo.demo_target()
    yield chip
    chip.stop()


@pytest.fixture
def wire(target: SimavrTarget) -> Iterator[Connection]:
    with connect(
        target.start(), demo.host_interface(), connect_timeout_s=demo.PATIENCE_S
    ) as connection:
        yield connection


def control_of(target: SimavrTarget) -> ChipControl:
    assert target.control is not None
    return target.control


def test_it_adds(wire: Connection) -> None:
    assert wire.call("add", 40, 2) == 42


def test_it_streams(wire: Connection) -> None:
    with wire.stream("count", 100) as numbers:
        assert list(numbers) == list(range(100))


def test_it_calls_the_host_back_and_answers_what_it_said(wire: Connection) -> None:
    assert wire.call("ask", "anybody there?") == "ANYBODY THERE?"


def test_it_answers_when_the_lamp_has_blinked(wire: Connection, target: SimavrTarget) -> None:
    control = control_of(target)
    control.watch(demo.LAMP_PIN)
    wire.call("blink", 3, 10, timeout_s=demo.PATIENCE_S)
    control.hold()
    edges = [report for report in control.run(1) if isinstance(report, Edge)]
    assert [edge.level for edge in edges] == [True, False] * 3
    assert edges[-1].cycle - edges[0].cycle >= 5 * 9 * 16_000


def test_an_event_switches_the_lamp_and_it_is_dark_when_the_host_has_gone(
    wire: Connection, target: SimavrTarget
) -> None:
    control = control_of(target)
    control.watch(demo.LAMP_PIN)
    wire.emit("lamp", True)
    wire.call("add", 1, 1)
    wire.close()
    control.hold()
    edges = [report for report in control.run(8_000_000) if isinstance(report, Edge)]
    assert [edge.level for edge in edges] == [True, False]


def test_the_host_hears_of_the_button(wire: Connection, target: SimavrTarget) -> None:
    control = control_of(target)
    with wire.events("button") as heard:  # before the first one can come
        for presses in (1, 2, 3):
            control.drive(0, demo.BUTTON_PIN, False)
            assert heard.get(demo.PATIENCE_S) == (presses,)
            control.drive(0, demo.BUTTON_PIN, True)
            wire.call("add", 0, 0, timeout_s=demo.PATIENCE_S)  # it has seen that


def test_names_signatures_and_documentation_come_from_its_flash(wire: Connection) -> None:
    entries = {entry.name: entry for entry in wire.describe()}
    assert set(entries) == {"add", "blink", "count", "ask", "memory", "lamp", "button"}
    assert "wrapping" in entries["add"].doc


def test_wrong_arguments_and_unknown_procedures_are_refused(wire: Connection) -> None:
    with pytest.raises(CallRefusedError):
        wire.call("add", "forty", 2)
    with pytest.raises(CallRefusedError):
        wire.call("blink", 0, 1)
    assert wire.call("add", 40, 2) == 42


def test_it_gets_along_with_a_line_that_damages_bytes(target: SimavrTarget) -> None:
    faults = LineFaults(byte_flip=0.002, seed=1)
    line = ImpairedTransport(open_transport(target.start()), faults, faults)
    with connect(line, demo.host_interface(), connect_timeout_s=demo.PATIENCE_S) as wire:
        demo.exercise(wire)
        assert wire.stats().retransmissions > 0


def test_a_reset_is_reported_and_the_next_call_served(
    wire: Connection, target: SimavrTarget
) -> None:
    resets: queue.Queue[DeviceResetError] = queue.Queue()
    wire.on_reset(resets.put)
    assert wire.call("add", 40, 2) == 42
    target.reset()
    assert "reset pin" in str(resets.get(timeout=demo.PATIENCE_S))
    assert wire.call("add", 40, 2, timeout_s=demo.PATIENCE_S) == 42


def test_data_and_the_deepest_stack_keep_to_the_budget(wire: Connection) -> None:
    demo.exercise(wire)
    assert sum(demo.memory(wire)) <= sizes.DEMO.ram
