"""eRPC 1.14 over a pty: its framed transport with CRC, its basic codec, its simple server."""

import os

import erpc
from erpc.basic_codec import BasicCodec
from erpc.codec import MessageInfo, MessageType
from erpc.transport import FramedTransport
from measuring import PAYLOAD, arguments, check, obey

SERVICE, ADD, ECHO = 1, 1, 2


class FdTransport(FramedTransport):
    """Reads what it is asked for, from a buffer: its own serial transport reads twice a message."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._buffer = b""

    def _base_send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]

    def _base_receive(self, count: int) -> bytearray:
        while len(self._buffer) < count:
            self._buffer += os.read(self._fd, 4096)
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return bytearray(data)


class Service(erpc.server.Service):
    """What erpcgen makes of an interface with two functions."""

    def __init__(self) -> None:
        super().__init__(SERVICE)
        self._methods = {ADD: self._add, ECHO: self._echo}

    def _reply(self, codec, sequence: int, method: int) -> None:
        codec.reset()
        codec.start_write_message(MessageInfo(MessageType.kReplyMessage, SERVICE, method, sequence))

    def _add(self, sequence: int, codec) -> None:
        total = codec.read_int32() + codec.read_int32()
        self._reply(codec, sequence, ADD)
        codec.write_int32(total)

    def _echo(self, sequence: int, codec) -> None:
        data = codec.read_binary()
        self._reply(codec, sequence, ECHO)
        codec.write_binary(data)


def server(fd: int) -> None:
    """Serve."""
    simple = erpc.simple_server.SimpleServer(FdTransport(fd), BasicCodec)
    simple.add_service(Service())
    simple.run()


def client(fd: int) -> None:
    """Call."""
    manager = erpc.client.ClientManager(FdTransport(fd), BasicCodec)

    def begin(method: int):
        request = manager.create_request()
        request.codec.start_write_message(
            MessageInfo(MessageType.kInvocationMessage, SERVICE, method, request.sequence)
        )
        return request

    def add(k: int) -> None:
        request = begin(ADD)
        request.codec.write_int32(k)
        request.codec.write_int32(1)
        manager.perform_request(request)
        check(request.codec.read_int32(), k + 1)

    def echo(_: int) -> None:
        request = begin(ECHO)
        request.codec.write_binary(PAYLOAD)
        manager.perform_request(request)
        check(bytes(request.codec.read_binary()), PAYLOAD)

    obey({"add": add, "echo1k": echo})


role, where = arguments()
if role == "server":
    server(int(where))
else:
    client(os.open(where, os.O_RDWR | os.O_NOCTTY))
