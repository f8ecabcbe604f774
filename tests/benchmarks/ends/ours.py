"""Our own blocking shell at both ends of a pty, or with the C library at the far one."""

import os
import random
import sys
import threading
from pathlib import Path

from measuring import PAYLOAD, arguments, check, expect_build, obey

import ipfi_serial
from ipfi_serial import Interface, WireConfig, connect
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.sync.connection import Connection
from ipfi_serial.transport.descriptor import TTY_READ_SIZE_BYTES, DescriptorTransport

expect_build(ipfi_serial.__compiled__)
interface = Interface()


@interface.procedure(1)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@interface.procedure(2)
def echo(value: bytes) -> bytes:
    """Return what came."""
    return value


@interface.procedure(3)
def values(count: int):
    """Stream values of 20 bytes of MessagePack."""
    value = b"x" * 18
    for _ in range(count):
        yield value


@interface.procedure(4)
def blob(count: int, size: int):
    """Stream large values."""
    value = bytes(size)
    for _ in range(count):
        yield value


def server(fd: int) -> None:
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
    transport = DescriptorTransport(fd, "the line", read_size_bytes=TTY_READ_SIZE_BYTES)
    with Connection(transport, wire, interface, config):
        threading.Event().wait()


def client(where: str) -> None:
    """Call."""
    with connect(where) as wire:

        def start(k: int):
            handle = wire.start("add", k, 1)
            return lambda: check(handle.result(), k + 1)

        calls = {"add": lambda k: check(wire.call("add", k, 1), k + 1)}
        if where != "sim:c":
            calls["echo1k"] = lambda _: check(wire.call("echo", PAYLOAD), PAYLOAD)
            calls["stream"] = lambda count: check(
                sum(1 for _ in wire.stream("values", count)), count
            )
            calls["blob"] = lambda mib: check(
                sum(map(len, wire.stream("blob", mib, 1 << 20))), mib << 20
            )
        obey(calls, start=start, server_pid=_child() if where == "sim:c" else None)


def _child() -> int:
    """Return the process that simulates a board."""
    return int(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()[0])


if __name__ == "__main__":
    role, place = arguments()
    if role == "server":
        server(int(place))
    else:
        client(place)
    sys.exit(0)
