"""The floor of the asyncio shell: add_reader, one future for each round trip, the same bytes."""

import asyncio
import os

from measuring import arguments, obey_async

SIZES = {"add": (19, 18), "echo1k": (1055, 1055)}
READ_BYTES = 4096


async def server(fd: int) -> None:
    """Answer each request with as many bytes as ours has."""
    missing = 0
    answer = 0

    def read() -> None:
        nonlocal missing, answer
        data = os.read(fd, READ_BYTES)
        if missing <= 0:
            missing, answer = SIZES["add" if data[:1] == b"a" else "echo1k"]
        missing -= len(data)
        if missing <= 0:
            os.write(fd, b"\xaa" * answer)

    asyncio.get_running_loop().add_reader(fd, read)
    await asyncio.Event().wait()


async def client(fd: int) -> None:
    """Make round trips."""
    loop = asyncio.get_running_loop()
    missing = 0
    done: asyncio.Future = loop.create_future()

    def read() -> None:
        nonlocal missing
        missing -= len(os.read(fd, READ_BYTES))
        if missing <= 0 and not done.done():
            done.set_result(None)

    loop.add_reader(fd, read)

    def trip(what: str):
        request = what[:1].encode() * SIZES[what][0]

        async def once(_: int) -> None:
            nonlocal missing, done
            missing, done = SIZES[what][1], loop.create_future()
            os.write(fd, request)
            await done

        return once

    await obey_async({what: trip(what) for what in SIZES})


role, where = arguments()
if role == "server":
    asyncio.run(server(int(where)))
else:
    asyncio.run(client(os.open(where, os.O_RDWR | os.O_NOCTTY)))
