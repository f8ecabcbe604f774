"""Our own asyncio shell at both ends of a pty."""

import asyncio
import random

from measuring import PAYLOAD, arguments, check, expect_build, obey_async

import ipfi_serial
from ipfi_serial import Interface, WireConfig
from ipfi_serial.aio import connect
from ipfi_serial.aio.connection import Connection
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
from ipfi_serial.transport.descriptor import TTY_READ_SIZE_BYTES

expect_build(ipfi_serial.__compiled__)
interface = Interface()


@interface.procedure(1)
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@interface.procedure(2)
async def echo(value: bytes) -> bytes:
    """Return what came."""
    return value


async def server(fd: int) -> None:
    """Serve on the pty's other side."""
    config = WireConfig()
    wire = build_wire(
        interface,
        config,
        framed=True,
        role="device",
        bytes_per_s=None,
        random_u32=lambda: random.getrandbits(32),
    )
    transport = AsyncDescriptorTransport(fd, "the line", read_size_bytes=TTY_READ_SIZE_BYTES)
    async with Connection(transport, wire, interface, config):
        await asyncio.Event().wait()


async def client(where: str) -> None:
    """Call."""
    async with await connect(where) as wire:

        async def one_add(k: int) -> None:
            check(await wire.call("add", k, 1), k + 1)

        async def one_echo(_: int) -> None:
            check(await wire.call("echo", PAYLOAD), PAYLOAD)

        await obey_async({"add": one_add, "echo1k": one_echo}, together=True)


role, place = arguments()
asyncio.run(server(int(place)) if role == "server" else client(place))
