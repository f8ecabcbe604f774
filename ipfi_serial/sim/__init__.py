"""The simulated board: what ``sim:`` opens, as a C process or in Python.

Only the two openers live here, and they import the rest when they are called: a program that opens
real ports never loads it.  docs/guide/cli.md lists what the board offers.
"""

from __future__ import annotations

from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.opening import Request, register_opener

__all__ = ["register"]


def register() -> None:
    """Let ``sim:``, ``sim:c`` and ``sim:python`` be opened."""
    register_opener("sim", _open, _open_async)


def _open(request: Request) -> Transport:
    from ipfi_serial.sim.opening import open_sim

    return open_sim(request)


async def _open_async(request: Request) -> AsyncTransport:
    from ipfi_serial.sim.opening import open_sim_async

    return await open_sim_async(request)
