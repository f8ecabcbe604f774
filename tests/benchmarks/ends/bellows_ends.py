"""bellows: the ASH link of Zigbee adapters, its Python at both ends; an RPC of two numbers on it.

It carries at most 128 bytes and has one frame under way.
"""

import asyncio
import os
import struct

from bellows.ash import AshProtocol
from measuring import arguments, check, obey_async

PAIR = struct.Struct("<ii")


class Line:
    """A pty as the transport that it writes to."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        """Write; a pty takes such short frames at once."""
        os.write(self._fd, data)

    def is_closing(self) -> bool:
        """Tell that it is open."""
        return False


class Above:
    """What stands above the link."""

    def __init__(self, on_data) -> None:
        self.data_received = on_data

    def connection_made(self, _link) -> None:
        """Nothing to do."""


def open_link(fd: int, on_data) -> AshProtocol:
    """Join the link to the line."""
    link = AshProtocol(Above(on_data))
    link.connection_made(Line(fd))
    asyncio.get_running_loop().add_reader(fd, lambda: link.data_received(os.read(fd, 4096)))
    return link


async def server(fd: int) -> None:
    """Serve."""
    tasks = set()

    def on_data(data: bytes) -> None:
        answer = PAIR.pack(sum(PAIR.unpack(data)), 0)
        task = asyncio.ensure_future(link.send_data(answer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    link = open_link(fd, on_data)
    await asyncio.Event().wait()


async def client(fd: int) -> None:
    """Call."""
    waiting: asyncio.Queue = asyncio.Queue()
    link = open_link(fd, waiting.put_nowait)

    async def add(k: int) -> None:
        await link.send_data(PAIR.pack(k, 1))
        check(PAIR.unpack(await waiting.get())[0], k + 1)

    await obey_async({"add": add})


role, where = arguments()
if role == "server":
    asyncio.run(server(int(where)))
else:
    asyncio.run(client(os.open(where, os.O_RDWR | os.O_NOCTTY)))
