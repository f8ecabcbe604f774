"""grpcio over a Unix socket: it speaks HTTP/2 and cannot use a serial line."""

import struct
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from measuring import PAYLOAD, arguments, check, obey

PAIR = struct.Struct("<ii")  # cheaper than the protobuf messages that it is used with


class Handler(grpc.GenericRpcHandler):
    """Two procedures of plain bytes."""

    def service(self, details):
        """Find one."""
        answer = {"/bench/add": self._add, "/bench/echo": lambda data, _: data}[details.method]
        return grpc.unary_unary_rpc_method_handler(answer)

    @staticmethod
    def _add(data: bytes, _context) -> bytes:
        return PAIR.pack(sum(PAIR.unpack(data)), 0)


role, where = arguments()
address = f"unix:{where}.grpc"
if role == "server":
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Handler(),))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()
else:
    time.sleep(0.5)  # until the server listens
    channel = grpc.insecure_channel(address)
    add, echo = channel.unary_unary("/bench/add"), channel.unary_unary("/bench/echo")
    grpc.channel_ready_future(channel).result(10)

    def start(k: int):
        """Begin a call."""
        answer = add.future(PAIR.pack(k, 1))
        return lambda: check(PAIR.unpack(answer.result())[0], k + 1)

    obey(
        {
            "add": lambda k: check(PAIR.unpack(add(PAIR.pack(k, 1)))[0], k + 1),
            "echo1k": lambda _: check(echo(PAYLOAD), PAYLOAD),
        },
        start=start,
    )
