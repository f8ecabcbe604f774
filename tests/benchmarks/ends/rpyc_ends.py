"""rpyc 6 over a pty, through its own pipe stream."""

import os

import rpyc
from measuring import PAYLOAD, arguments, check, obey
from rpyc.core.stream import PipeStream


class Service(rpyc.Service):
    """Two procedures."""

    def exposed_add(self, a: int, b: int) -> int:
        """Add."""
        return a + b

    def exposed_echo(self, value: bytes) -> bytes:
        """Return what came."""
        return value


def stream(fd: int) -> PipeStream:
    """Make its stream of a descriptor."""
    return PipeStream(os.fdopen(fd, "rb", 0), os.fdopen(os.dup(fd), "wb", 0))


role, where = arguments()
if role == "server":
    rpyc.connect_stream(stream(int(where)), Service()).serve_all()
else:
    wire = rpyc.connect_stream(stream(os.open(where, os.O_RDWR | os.O_NOCTTY)))
    add, echo = wire.root.add, wire.root.echo
    later = rpyc.async_(add)

    def start(k: int):
        """Begin a call."""
        answer = later(k, 1)
        return lambda: check(answer.value, k + 1)

    obey(
        {
            "add": lambda k: check(add(k, 1), k + 1),
            "echo1k": lambda _: check(echo(PAYLOAD), PAYLOAD),
        },
        start=start,
    )
