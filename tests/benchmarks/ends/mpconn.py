"""multiprocessing.connection over a pty: pickled tuples with a length in front, no CRC."""

import os
from multiprocessing.connection import Connection

from measuring import PAYLOAD, arguments, check, obey


def server(fd: int) -> None:
    """Serve."""
    line = Connection(fd)
    while True:
        what, *values = line.recv()
        line.send(values[0] + values[1] if what == "add" else values[0])


def client(fd: int) -> None:
    """Call."""
    line = Connection(fd)

    def call(*request):
        line.send(request)
        return line.recv()

    obey(
        {
            "add": lambda k: check(call("add", k, 1), k + 1),
            "echo1k": lambda _: check(call("echo", PAYLOAD), PAYLOAD),
        }
    )


role, where = arguments()
if role == "server":
    server(int(where))
else:
    client(os.open(where, os.O_RDWR | os.O_NOCTTY))
