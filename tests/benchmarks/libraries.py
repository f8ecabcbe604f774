"""python -m tests.benchmarks.libraries: the candidates for CRC, MessagePack, COBS and ports.

Runs in an environment of its own, which it makes; docs/decisions/libraries-by-measurement.md says
what follows from it.  CPU time in nanoseconds, the least of the repeats.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from tests.benchmarks.peers import Peer, Unavailable

LIBRARIES: Final = Peer(
    "libraries",
    "libraries.py",
    ("msgspec", "msgpack", "ormsgpack", "fastcrc", "crcmod-plus", "cobs", "pyserial", "serialx"),
)

# what is timed: setup, and for each name a statement
_PROGRAM: Final = """
import binascii, json, os, pty, sys, time, timeit, tty, zlib

def least_ns(statement, scope):
    timer = timeit.Timer(statement, globals=scope, timer=time.process_time)
    count = 1
    while timer.timeit(count) < 0.002:
        count *= 4
    return min(timer.repeat(15, count)) / count * 1e9

results = {}

def measure(group, name, make):
    try:
        results.setdefault(group, {})[name] = [round(least_ns(s, g)) for s, g in make()]
    except Exception as error:
        results.setdefault(group, {})[name] = repr(error)

def crc(function):
    return lambda: [("f(d)", {"f": function(), "d": os.urandom(n)}) for n in (16, 64, 1024, 4096)]

def fast(name):
    def make():
        import fastcrc
        where, what = name.split(".")
        return getattr(getattr(fastcrc, where), what)
    return make

def plus(*parameters):
    def make():
        import crcmod
        return crcmod.mkCrcFun(*parameters)
    return make

measure("CRC", "CRC-16 binascii.crc_hqx", crc(lambda: lambda d: binascii.crc_hqx(d, 0xFFFF)))
measure("CRC", "CRC-16 fastcrc", crc(fast("crc16.ibm_3740")))
measure("CRC", "CRC-16 crcmod-plus", crc(plus(0x11021, 0xFFFF, False, 0)))
measure("CRC", "CRC-32 zlib.crc32", crc(lambda: zlib.crc32))
measure("CRC", "CRC-32 fastcrc", crc(fast("crc32.iso_hdlc")))
measure("CRC", "CRC-32 crcmod-plus", crc(plus(0x104C11DB7, 0, True, 0xFFFFFFFF)))

VALUES = ([1, 300], ["temperature", 21.5, True], bytes(1024), [list(range(20))] * 5)

def pack(make):
    def statements():
        encode, decode = make()
        for value in VALUES:
            data = encode(value)
            yield "f(v)", {"f": encode, "v": value}
            yield "f(v)", {"f": decode, "v": data}
    return statements

def msgspec_pair():
    import msgspec
    return msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode

def msgpack_pair():
    import msgpack
    return msgpack.Packer().pack, msgpack.unpackb

def ormsgpack_pair():
    import ormsgpack
    return ormsgpack.packb, ormsgpack.unpackb

measure("MessagePack", "msgspec", pack(msgspec_pair))
measure("MessagePack", "msgpack", pack(msgpack_pair))
measure("MessagePack", "ormsgpack", pack(ormsgpack_pair))

def cobs(make):
    def statements():
        encode, decode = make()
        for n in (20, 256, 1024):
            data = bytes(k * 7 & 0xFF for k in range(n))
            yield "f(v)", {"f": encode, "v": data}
            yield "f(v)", {"f": decode, "v": encode(data)}
    return statements

def cobs_c():
    from cobs import cobs
    return cobs.encode, cobs.decode

def cobs_python():
    from cobs.cobs import _cobs_py
    return _cobs_py.encode, _cobs_py.decode

measure("COBS", "cobs, C extension", cobs(cobs_c))
measure("COBS", "cobs, pure Python", cobs(cobs_python))

def port(open_port):
    def statements():
        far, near = pty.openpty()
        tty.setraw(far)
        opened, trip = open_port(os.ttyname(near), near)
        keep.append(opened)
        yield "trip(far)", {"trip": trip, "far": far}
    return statements

keep = []
DATA = bytes(16)

def bare(path, fd):
    def trip(far):
        os.write(fd, DATA)
        os.read(far, 4096)
        os.write(far, DATA)
        os.read(fd, 4096)
    os.set_blocking(fd, True)
    tty.setraw(fd)
    return fd, trip

def pyserial(path, fd):
    import serial
    line = serial.Serial(path, 115200)
    def trip(far):
        line.write(DATA)
        os.read(far, 4096)
        os.write(far, DATA)
        line.read(16)
    return line, trip

def serialx(path, fd):
    import serialx
    line = serialx.Serial(path, 115200)
    getattr(line, "open", lambda: None)()
    def trip(far):
        line.write(DATA)
        os.read(far, 4096)
        os.write(far, DATA)
        line.read(16)
    return line, trip

measure("port", "os.write and os.read", port(bare))
measure("port", "pyserial", port(pyserial))
measure("port", "serialx", port(serialx))
print(json.dumps(results))
"""
COLUMNS: Final = {
    "CRC": "16, 64, 1024, 4096 bytes",
    "MessagePack": "encode and decode: [1, 300]; three scalars; 1 KiB of bytes; 100 small integers",
    "COBS": "encode and decode: 20, 256, 1024 bytes",
    "port": "16 bytes out and 16 bytes in on a pty, far end included",
}


def main() -> int:
    """Install, measure, print a table for each group."""
    why = LIBRARIES.install()
    if why is not None:
        raise Unavailable(why)
    done = subprocess.run(  # noqa: S603 - our own program
        [LIBRARIES.python, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=300
    )
    results: dict[str, dict[str, list[int] | str]] = json.loads(done.stdout)
    for group, rows in results.items():
        sys.stdout.write(f"\n{group}: ns for {COLUMNS[group]}\n")
        for name, numbers in rows.items():
            shown = numbers if isinstance(numbers, str) else "".join(f"{n:>9}" for n in numbers)
            sys.stdout.write(f"  {name:<26}{str(shown)[:200]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
