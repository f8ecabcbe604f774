"""The floor: as many bytes as our call has, with nothing but os.write, select and os.read."""

import os
import select

from measuring import arguments, obey

SIZES = {"add": (19, 18), "echo1k": (1055, 1055)}  # of our frames; the first byte names which
READ_BYTES = 4096


def server(fd: int) -> None:
    """Answer each request with as many bytes as ours has."""
    while True:
        select.select((fd,), (), ())
        data = os.read(fd, READ_BYTES)
        request, answer = SIZES["add" if data[:1] == b"a" else "echo1k"]
        missing = request - len(data)
        while missing > 0:
            select.select((fd,), (), ())
            missing -= len(os.read(fd, READ_BYTES))
        os.write(fd, b"\xaa" * answer)


def client(fd: int) -> None:
    """Make round trips."""

    def trip(what: str):
        request = what[:1].encode() * SIZES[what][0]
        answer = SIZES[what][1]

        def once(_: int) -> None:
            os.write(fd, request)
            missing = answer
            while missing > 0:
                select.select((fd,), (), ())
                missing -= len(os.read(fd, READ_BYTES))

        return once

    obey({what: trip(what) for what in SIZES})


role, where = arguments()
if role == "server":
    server(int(where))
else:
    client(os.open(where, os.O_RDWR | os.O_NOCTTY))
