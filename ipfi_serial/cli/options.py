"""What several commands share: their options, arguments of calls, and the opening of a wire."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Final, Literal, NoReturn

from ipfi_serial import (
    Connection,
    Entry,
    EntryKind,
    Interface,
    IpfiError,
    LocalProtocolError,
    connect,
)
from ipfi_serial.cli.failures import CannotConnectError, UsageError
from ipfi_serial.cli.numbers import positive_int, seconds
from ipfi_serial.codec.names import Value
from ipfi_serial.transport.uart import SerialSettings

Arguments = argparse.Namespace
Role = Literal["host", "device"]
ARGUMENT_HELP: Final = "JSON, or else text; hex:00ff is bytes, '\"5\"' the text 5"


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    hidden = argparse.SUPPRESS  # the default is the main parser's, which takes them as well
    parser.add_argument(
        "--json", action="store_true", default=hidden, help="one JSON object a line, for programs"
    )
    parser.add_argument(
        "--debug", action="store_true", default=hidden, help="tell everything, with tracebacks"
    )


def add_wire(parser: argparse.ArgumentParser) -> None:
    """Add the endpoint and how to open it."""
    parser.add_argument(
        "endpoint", metavar="ENDPOINT", help="/dev/ttyACM0, usb:2341:0043, sim: ..."
    )
    parser.add_argument("--baud", type=positive_int, metavar="N", help="speed (115200)")
    parser.add_argument(
        "--link", choices=("framed", "plain"), help="against the endpoint's default"
    )
    parser.add_argument(
        "--connect-timeout", type=seconds, metavar="S", help="for opening and handshake, in seconds"
    )


def add_call(parser: argparse.ArgumentParser) -> None:
    """Add a procedure and its arguments."""
    parser.add_argument("name", metavar="NAME", help="of a procedure, or its index")
    parser.add_argument(
        "arguments",
        metavar="ARG",
        nargs="*",
        default=[],  # or argparse says that they are required
        help=ARGUMENT_HELP,
    )
    parser.add_argument("--timeout", type=seconds, metavar="S", help="deadline in seconds")
    parser.add_argument(
        "--raw", action="store_true", help="a raw procedure; write the answer's bytes as they are"
    )


def add_count(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--count``."""
    parser.add_argument("--count", type=positive_int, metavar="N", help=f"stop after N {what}")


def open_wire(
    options: Arguments, interface: Interface | None = None, *, role: Role = "host"
) -> Connection:
    """Connect as the options say.

    Raises:
        CannotConnectError: why not.
    """
    serial: SerialSettings = {} if options.baud is None else {"baud": options.baud}
    try:
        return connect(
            options.endpoint,
            interface,
            link=options.link,
            connect_timeout_s=options.connect_timeout,
            role=role,
            **serial,
        )
    except IpfiError as error:
        raise CannotConnectError(error, str(options.endpoint)) from error


def procedure_of(name: str) -> str | int:
    """Return the index if ``name`` is a number, else the name."""
    try:
        return int(name, 0)
    except ValueError:
        return name


def described(wire: Connection) -> list[Entry]:
    """Return what the other end says of itself; nothing if it says nothing."""
    try:
        return list(wire.describe())
    except LocalProtocolError:  # a plain wire
        return []


def find_entry(wire: Connection, procedure: str | int) -> Entry | None:
    """Return what the other end says of a procedure; None if it says nothing.

    Raises:
        UsageError: that is no procedure, but an event.
    """
    event: Entry | None = None
    for entry in described(wire):
        if procedure in (entry.name, entry.index):
            if not entry.kind.is_event:
                return entry
            event = entry
    if event is None:
        return None
    if event.kind is EntryKind.EVENT_HANDLED:
        raise UsageError(
            f"{event.name} is an event that the board takes, and no procedure: `ipfi emit` emits it"
        )
    raise UsageError(f"{event.name} is an event, and no procedure: `ipfi listen` prints it")


def is_raw(entry: Entry | None, options: Arguments) -> bool:
    """Tell whether bytes go in and out."""
    return bool(options.raw) or (entry is not None and entry.kind is EntryKind.RAW)


def parse_arguments(texts: Sequence[str], *, raw: bool) -> list[Value]:
    """Return the arguments of a call as typed.

    Raises:
        UsageError: they cannot be read, or a raw procedure gets more than one.
    """
    if not raw:
        return [_parse(text) for text in texts]
    if len(texts) > 1:
        raise UsageError(f"a raw procedure takes one argument, not {len(texts)}: quote it")
    return [_parse_bytes(text) for text in texts]


def _parse(text: str) -> Value:
    if text.startswith("hex:"):
        return _parse_bytes(text)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and the like are text


def _parse_bytes(text: str) -> bytes:
    if not text.startswith("hex:"):
        return text.encode(errors="surrogateescape")
    try:
        return bytes.fromhex(text.removeprefix("hex:"))
    except ValueError as error:
        raise UsageError(f"{text!r}: after hex: come pairs of hexadecimal digits") from error
