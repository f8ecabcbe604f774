"""Opens ``sim:``: starts a board and returns the host's end of its line.

The board lives as long as that end: closing it ends the process, or the threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import tty
from collections.abc import Callable
from typing import Final

from ipfi_serial.errors import ConfigError, TransportError
from ipfi_serial.sim.board import Board
from ipfi_serial.sim.firmware import BoardBuildError
from ipfi_serial.sim.process import BoardProcess
from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.descriptor import TTY_READ_SIZE_BYTES, DescriptorTransport
from ipfi_serial.transport.endpoint import Endpoint
from ipfi_serial.transport.opening import Request
from ipfi_serial.transport.sockets import async_transport_on, transport_on

log = logging.getLogger("ipfi_serial")

C_BOARD: Final = "sim:c"
PYTHON_BOARD: Final = "sim:python"
_OPTIONS: Final = ("link", "bps", "seed", "small")


def open_sim(request: Request) -> Transport:
    """Start the board that an endpoint asks for; see :func:`ipfi_serial.connect`.

    Raises:
        ConfigError: it has an unknown option.
        TransportError: the board cannot be built or does not start.
    """
    speed = request.endpoint.bytes_per_s()
    process = _start_process(request.endpoint)
    if process is None:
        line, release = _start_python(speed)
        return transport_on(line, PYTHON_BOARD, speed, release)
    fd, release = _open_port(process)
    return DescriptorTransport(
        fd, C_BOARD, speed, release=release, read_size_bytes=TTY_READ_SIZE_BYTES
    )


async def open_sim_async(request: Request) -> AsyncTransport:
    """Start the board for the running event loop; arguments and errors of :func:`open_sim`."""
    speed = request.endpoint.bytes_per_s()
    process = await asyncio.to_thread(_start_process, request.endpoint)
    if process is None:
        line, release = _start_python(speed)
        return async_transport_on(line, PYTHON_BOARD, speed, release)
    fd, release = _open_port(process)
    return AsyncDescriptorTransport(
        fd, C_BOARD, speed, release=release, read_size_bytes=TTY_READ_SIZE_BYTES
    )


def _start_process(endpoint: Endpoint) -> BoardProcess | None:
    """Start the C board, or return None if the Python board is wanted or has to do."""
    _check_options(endpoint)
    if endpoint.name == "python":
        return None
    seed = endpoint.option("seed")
    small = endpoint.option("small") == "1"
    try:
        return BoardProcess(seed=int(seed) if seed else None, small=small)
    except BoardBuildError as error:
        if endpoint.name == "c":
            raise
        reason = str(error).partition("\n")[0]
        log.warning("%s; the Python board takes its place", reason)
        return None


def _check_options(endpoint: Endpoint) -> None:
    for name, _ in endpoint.options:
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise ConfigError(f"endpoint {endpoint.text!r}: no option {name!r}; it has {known}")
    seed, small = endpoint.option("seed"), endpoint.option("small")
    if seed is not None and not seed.isdecimal():
        raise ConfigError(f"endpoint {endpoint.text!r}: seed={seed!r} is no number")
    if small not in (None, "0", "1"):
        raise ConfigError(f"endpoint {endpoint.text!r}: small={small!r}; it is 0 or 1")


def _start_python(speed: float | None) -> tuple[socket.socket, Callable[[], None]]:
    """Start the Python board; return the host's end of its line and what ends both."""
    ours, boards = socket.socketpair()
    board = Board(transport_on(boards, PYTHON_BOARD, speed))

    def release() -> None:
        ours.close()
        board.close()

    return ours, release


def _open_port(process: BoardProcess) -> tuple[int, Callable[[], None]]:
    """Open the C board's port; return it and what closes it and ends the process."""
    try:
        fd = os.open(process.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        process.stop()
        raise TransportError(f"{C_BOARD}: {process.path}: {error.strerror}") from error
    tty.setraw(fd)

    def release() -> None:
        with contextlib.suppress(OSError):
            os.close(fd)
        process.stop()

    return fd, release
