"""The unmodified package gpiod on a GPIO chip in user space.

The chip is a C library that is preloaded into another process and answers as the kernel's character
device does (tests/morse/gpio_chip.c).  What this shows: requests, settings, edges with kernel times
taken in batches, overruns, one pin in both directions, errors.  What it does not: electricity,
interrupt latency, and what a driver of a real chip refuses.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ipfi_serial.morse.modem import Modem, ModemSettings
from tests.morse.keyed import FRAME, UNIT_S, keyed

pytest.importorskip("gpiod", reason="no gpiod: pip install 'ipfi-serial[gpio]' (Linux)")
HERE = Path(__file__).parent
WIRES = "0>1,2>3,4>5,5>4"


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chip, compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: install the package gcc")
    library = tmp_path_factory.mktemp("gpio") / "chip.so"
    source = HERE / "gpio_chip.c"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", str(source)]
    subprocess.run([*command, "-o", str(library), "-ldl", "-lpthread"], check=True)  # noqa: S603
    return library


def under(chip: Path, *order: object, queue: int = 1024) -> dict[str, Any]:
    """Run one order of gpio_program.py with the chip preloaded."""
    clock = chip.with_name("clock")
    clock.write_bytes(bytes(8))
    environment = {
        **os.environ,
        "LD_PRELOAD": str(chip),
        "GPIO_WIRES": WIRES,
        "GPIO_CLOCK": str(clock),
        "GPIO_QUEUE": str(queue),
        "PYTHONPATH": str(HERE.parents[1]),
    }
    command = [sys.executable, "-m", "tests.morse.gpio_program", json.dumps(order)]
    done = subprocess.run(  # noqa: S603 our own program
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def heard_by_modem(answer: dict[str, Any], settings: ModemSettings) -> bytes:
    modem = Modem(settings)
    for k, (times_s, rising) in enumerate(answer["runs"]):
        if k or answer["lost"]:
            modem.lose_edges()
        modem.receive_edges(times_s, rising=rising)
    modem.receive_time(answer["runs"][-1][0][-1] + 1.0)
    return modem.take()


FULL = ModemSettings(wpm=1200)


def test_a_frame_passes_from_pin_to_pin_with_the_times_of_the_kernel(chip: Path) -> None:
    edges = keyed(start_s=2000.0)
    answer = under(chip, "pass", "morse:gpiochip0:tx=0,rx=3", "morse:gpiochip0:tx=2,rx=1", edges)
    ((times_s, rising),) = answer["runs"]
    assert rising
    assert not answer["lost"]
    assert times_s == pytest.approx(edges, abs=1e-6)
    assert heard_by_modem(answer, FULL) == FRAME + b"\0"
    assert answer["again"] == []
    assert "closed by this program" in answer["closed"]


def test_a_pin_that_is_keyed_inverted_is_heard_inverted_and_put_right(chip: Path) -> None:
    edges = keyed(start_s=2000.0)
    answer = under(
        chip, "pass", "morse:gpiochip0:tx=0,rx=3?invert=1", "morse:gpiochip0:tx=2,rx=1", edges
    )
    times_s, rising = answer["runs"][-1]
    assert not rising
    assert len(times_s) >= len(edges)
    assert heard_by_modem(answer, FULL) == FRAME + b"\0"


def test_one_pin_keys_and_hears_in_turn(chip: Path) -> None:
    edges = keyed(start_s=2000.0)
    later = keyed(start_s=2010.0)
    answer = under(chip, "pass", "morse:gpiochip0:pin=4", "morse:gpiochip0:pin=5", edges, later)
    assert heard_by_modem(answer, FULL).startswith(FRAME + b"\0")
    assert sum(len(times_s) for times_s, _ in answer["runs"]) == len(edges) + len(later)


def test_a_queue_that_runs_over_damages_the_frame_and_the_next_one_is_read(chip: Path) -> None:
    first, second = keyed(start_s=2000.0), keyed(start_s=2010.0)
    size = len(second) + 30
    answer = under(
        chip,
        "pass",
        "morse:gpiochip0:tx=0,rx=3",
        "morse:gpiochip0:tx=2,rx=1",
        first,
        second,
        queue=size,
    )
    assert sum(len(times_s) for times_s, _ in answer["runs"]) == size
    assert answer["lost"]
    assert heard_by_modem(answer, FULL) == FRAME + b"\0"


def test_a_hole_in_the_numbers_of_the_kernel_begins_a_new_run() -> None:
    import gpiod

    from ipfi_serial.transport.gpio import _Numbers
    from ipfi_serial.transport.morse_pins import Heard

    kind = gpiod.EdgeEvent.Type
    events: list[Any] = [
        SimpleNamespace(
            event_type=kind.RISING_EDGE if number % 2 else kind.FALLING_EDGE,
            line_seqno=number,
            timestamp_ns=number * 1_000_000,
            Type=kind,
        )
        for number in (1, 2, 3, 6, 7, 10)  # an even number is missing each time
    ]
    numbers, heard = _Numbers(), Heard(0.0)
    numbers.sort(events[:2], heard)
    numbers.sort(events[2:], heard)
    assert [len(times_s) for times_s, _ in heard.runs] == [3, 2, 1]
    assert [rising for _, rising in heard.runs] == [True, False, False]
    assert not heard.lost


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("morse:gpiochip0:tx=0,rx=1", "PortBusyError", "pin 0"),
        ("morse:gpiochip0:tx=6,rx=3", "PortBusyError", "pin 3"),
        ("morse:gpiochip0:tx=6,rx=99", "TransportError", "has no pin 99"),
        ("morse:gpiochip7:tx=6,rx=7", "PortNotFoundError", "/dev/gpiochip7"),
    ],
)
def test_a_pin_that_cannot_be_had_is_named(chip: Path, text: str, error: str, message: str) -> None:
    answer = under(chip, "open", text)
    assert answer["error"] == error
    assert message in answer["message"]


def test_the_unit_of_the_tests_is_that_of_1200_words_a_minute() -> None:
    assert FULL.unit_s == pytest.approx(UNIT_S)
