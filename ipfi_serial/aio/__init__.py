"""The same for asyncio: connect, call, stream and serve on the running event loop, without threads.

Names are those of the blocking shell, with ``await`` and ``async for``.  Cancelling a task that
waits for a call cancels the call at the other end.
"""

from ipfi_serial.aio.connection import Connection
from ipfi_serial.aio.handles import CallHandle, PartialCall
from ipfi_serial.aio.opening import connect
from ipfi_serial.aio.server import Server, listen
from ipfi_serial.aio.streams import Stream

__all__ = ["CallHandle", "Connection", "PartialCall", "Server", "Stream", "connect", "listen"]
