"""Boards for the tests: each test that takes ``endpoint`` runs against the C and the Python one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipfi_serial import Connection, Interface, connect
from ipfi_serial.sim.firmware import BoardBuildError, build_board, find_compilers

PATIENCE_S = 10.0


def switch_lamp(wire: Connection, *, on: bool) -> None:
    """Switch the lamp, and wait until it is: between an event and a call no order is promised."""
    wire.emit("led", on)
    until_s = time.monotonic() + PATIENCE_S
    while wire.call("led") is not on:
        assert time.monotonic() < until_s


@pytest.fixture(scope="session")
def program() -> Path:
    """The program of the C board."""
    if not find_compilers():
        pytest.skip("no C compiler here")
    return build_board()


@pytest.fixture(params=["sim:c", "sim:python"])
def endpoint(request: pytest.FixtureRequest) -> str:
    if request.param == "sim:c":
        try:
            build_board()
        except BoardBuildError as error:
            if not find_compilers():
                pytest.skip(str(error))
            raise
    return str(request.param)


@pytest.fixture
def host() -> Interface:
    """What the boards call back."""
    interface = Interface()

    @interface.procedure(50)
    def greet(name: str) -> str:
        return f"hello {name}"

    @interface.procedure(51)
    def describe(name: str) -> dict[str, object]:
        return {"name": name, "length": len(name), "parts": [1, 2.5, None, True]}

    @interface.procedure(52)
    def fail(name: str) -> None:
        raise ValueError(f"no {name} here")

    return interface


@pytest.fixture
def wire(endpoint: str, host: Interface) -> Iterator[Connection]:
    with connect(endpoint, host) as connection:
        yield connection
