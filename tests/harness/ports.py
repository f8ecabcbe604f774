"""Numbers of TCP ports for programs that cannot be told to take any."""

from __future__ import annotations

import contextlib
import random
import socket
from typing import Final

NOT_EPHEMERAL: Final = range(20_000, 32_000)  # Linux hands out 32768 and above


def free_ports(count: int) -> list[int]:
    """Find ports that nobody has, outside of those that the system gives to who asks for any."""
    found: list[int] = []
    for port in random.sample(NOT_EPHEMERAL, len(NOT_EPHEMERAL)):
        with socket.socket() as each, contextlib.suppress(OSError):
            each.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")
