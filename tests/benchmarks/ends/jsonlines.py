"""JSON, a line each way, read in chunks: what a program without a library does well."""

import json
import os
import select

from measuring import PAYLOAD, arguments, check, obey

READ_BYTES = 4096


class Lines:
    """Lines of JSON on a descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""

    def send(self, value: object) -> None:
        """Write one."""
        data = json.dumps(value).encode() + b"\n"
        while data:
            data = data[os.write(self._fd, data) :]

    def receive(self):
        """Wait for one."""
        while b"\n" not in self._buffer:
            select.select((self._fd,), (), ())
            self._buffer += os.read(self._fd, READ_BYTES)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)


def server(lines: Lines) -> None:
    """Serve."""
    while True:
        what, *values = lines.receive()
        lines.send(values[0] + values[1] if what == "add" else values[0])


def client(lines: Lines) -> None:
    """Call."""
    text = PAYLOAD.hex()[:1024]

    def call(*request):
        lines.send(request)
        return lines.receive()

    obey(
        {
            "add": lambda k: check(call("add", k, 1), k + 1),
            "echo1k": lambda _: check(call("echo", text), text),
        }
    )


role, where = arguments()
if role == "server":
    server(Lines(int(where)))
else:
    client(Lines(os.open(where, os.O_RDWR | os.O_NOCTTY)))
