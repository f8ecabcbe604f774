"""pigweed's pw_rpc and HDLC over a pty: its Python client, and a server of its packets and frames.

pw_rpc has no server in Python, so that is ours: decode a frame, decode a packet, answer.
"""

import os
import select
import threading
from types import SimpleNamespace

import pw_rpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from measuring import PAYLOAD, arguments, check, obey
from pw_hdlc import decode, encode
from pw_hdlc.rpc import DEFAULT_ADDRESS, HdlcRpcClient, default_channels
from pw_rpc import packets
from pw_rpc.descriptors import RpcIds
from pw_stream.stream_readers import CancellableReader

INT32, BYTES = descriptor_pb2.FieldDescriptorProto.TYPE_INT32, 12


def messages():
    """Return a module-like object: the service and the messages that protoc would make."""
    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="bench", syntax="proto3")
    for name, kind, fields in (("Pair", INT32, "ab"), ("Data", BYTES, "d")):
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, 1):
            message.field.add(name=field, number=number, type=kind, label=1)
    service = file.service.add(name="Bench")
    for name, kind in (("Add", "Pair"), ("Echo", "Data")):
        service.method.add(name=name, input_type=f".bench.{kind}", output_type=f".bench.{kind}")
    pool = descriptor_pool.Default()
    pool.Add(file)
    return SimpleNamespace(DESCRIPTOR=pool.FindFileByName("bench.proto"))


def server(fd: int) -> None:
    """Serve."""
    module = messages()
    pair = message_factory.GetMessageClass(module.DESCRIPTOR.message_types_by_name["Pair"])
    add_id = pw_rpc.ids.calculate("Add")
    decoder = decode.FrameDecoder()
    while True:
        select.select((fd,), (), ())
        for frame in decoder.process_valid_frames(os.read(fd, 4096)):
            packet = packets.decode(frame.data)
            if packet.type != packets.packet_pb2.PacketType.REQUEST:
                continue
            ids = RpcIds(packet.channel_id, packet.service_id, packet.method_id, packet.call_id)
            payload = packet.payload
            if packet.method_id == add_id:
                numbers = pair.FromString(payload)
                payload = pair(a=numbers.a + numbers.b).SerializeToString()
            answer = packets.encode_response(ids)
            answer = packets.packet_pb2.RpcPacket.FromString(answer)
            answer.payload = payload
            os.write(fd, encode.ui_frame(DEFAULT_ADDRESS, answer.SerializeToString()))


class Reader(CancellableReader):
    """Reads a descriptor."""

    def read(self) -> bytes:
        """Wait for bytes."""
        ready, _, _ = select.select((self._base_obj,), (), (), 0.5)
        return os.read(self._base_obj, 4096) if ready else b""

    def cancel_read(self) -> None:
        """Look at the end of the wait."""


def client(fd: int) -> None:
    """Call."""
    channels = default_channels(lambda data: os.write(fd, data))
    with HdlcRpcClient(Reader(fd), [messages()], channels) as wire:
        bench = wire.rpcs().bench.Bench

        def start(k: int):
            answers = []
            done = threading.Event()

            def arrived(_call, answer) -> None:
                answers.append(answer.a)

            def completed(_call, _status) -> None:
                done.set()

            bench.Add.invoke(bench.Add.request(a=k, b=1), on_next=arrived, on_completed=completed)

            def wait() -> None:
                done.wait(5)
                check(answers, [k + 1])

            return wait

        obey(
            {
                "add": lambda k: check(bench.Add(a=k, b=1)[1].a, k + 1),
                "echo1k": lambda _: check(bench.Echo(d=PAYLOAD)[1].d, PAYLOAD),
            },
            start=start,
        )


role, where = arguments()
if role == "server":
    server(int(where))
else:
    client(os.open(where, os.O_RDWR | os.O_NOCTTY))
