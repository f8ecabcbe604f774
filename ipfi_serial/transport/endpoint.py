"""Turns an endpoint string into its parts.  Opens nothing and looks at no device.

docs/guide/transports.md lists every kind with an example.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from ipfi_serial.errors import ConfigError

Kind = Literal[
    "device", "url", "usb", "tcp", "tcp-listen", "unix", "unix-listen", "stdio", "pty", "loopback",
    "sim", "morse",
]  # fmt: skip
Link = Literal["framed", "plain"]

SERIAL_OPTIONS: Final = (
    "baud", "bytesize", "parity", "stopbits", "exclusive", "low_latency", "dtr", "rts", "rtscts",
    "xonxoff", "rs485",
)  # fmt: skip
MORSE_OPTIONS: Final = ("wpm", "alphabet", "duplex", "seed", "bias", "invert", "crc")
COMMON_OPTIONS: Final = ("link", "bps")
URL_SCHEMES: Final = ("socket", "rfc2217", "loop", "spy", "hwgrep", "alt")
SIM_VARIANTS: Final = ("", "c", "python")

_EXAMPLES: Final[dict[str, str]] = {
    "device": "/dev/ttyACM0 or COM3",
    "url": "rfc2217://192.168.1.5:2217",
    "usb": "usb:2341:0043 or usb:2341:0043:7583331323135120",
    "tcp": "tcp:192.168.1.5:5000 or tcp:[::1]:5000",
    "tcp-listen": "tcp-listen:5000 or tcp-listen:0.0.0.0:5000",
    "unix": "unix:/run/board.sock",
    "unix-listen": "unix-listen:/run/board.sock",
    "stdio": "stdio:",
    "pty": "pty: or pty:/tmp/board",
    "loopback": "loopback:test",
    "sim": "sim:, sim:c or sim:python",
    "morse": "morse:gpiochip0:tx=17,rx=27?wpm=20 or morse:sim:test?wpm=1200",
}
_USUAL: Final = "/dev/ttyACM0, COM3, usb:2341:0043, sim: or tcp:192.168.1.5:5000"
_PLAIN_KINDS: Final = ("tcp", "tcp-listen", "unix", "unix-listen", "stdio")
LOCAL_HOST: Final = "127.0.0.1"
_WINDOWS_PORT: Final = r"(?i)(\\\\[.?]\\)?COM\d+"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What an endpoint string says.

    Attributes:
        text: the string, without surrounding blanks.
        kind: which opener it needs.
        link: "framed" or "plain", from the kind or from ``?link=``.
        path: of device, unix, unix-listen and url (the whole URL); the symlink of pty, or "".
        host: of tcp and tcp-listen; an IPv6 address has no brackets here.
        port: of tcp and tcp-listen, 0 to 65535; 0 is for listening: the system chooses.
        name: of loopback; "", "c" or "python" of sim; all between "morse:" and "?".
        vid: USB vendor id.
        pid: USB product id.
        serial_number: of a USB device, or None for any.
        options: the pairs after ``?``.
    """

    text: str
    kind: Kind
    link: Link = "framed"
    path: str = ""
    host: str = ""
    port: int = 0
    name: str = ""
    vid: int = 0
    pid: int = 0
    serial_number: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.text

    def option(self, name: str) -> str | None:
        """Return the value of one option, or None if the string does not have it."""
        return dict(self.options).get(name)

    def bytes_per_s(self) -> float | None:
        """Return what ``?bps=N`` says, or None.

        Raises:
            ConfigError: N is no positive number.
        """
        value = self.option("bps")
        if value is None:
            return None
        if re.fullmatch(r"\d+(\.\d*)?", value) and float(value) > 0:
            return float(value)
        raise ConfigError(f"bps={value!r} in {self.text!r}: use a positive number, like ?bps=960")


def parse_endpoint(text: str) -> Endpoint:
    """Take an endpoint string apart.

    Raises:
        ConfigError: the string is none; the message says what is wrong and gives an example.
    """
    if not isinstance(text, str):
        raise ConfigError(f"endpoint {text!r}: it is no string; for example {_USUAL}")
    text = text.strip()
    kind, rest = _kind_of(text)
    rest, query = _split_query(kind, rest)
    options = _parse_options(text, kind, query)
    default: Link = "plain" if kind in _PLAIN_KINDS else "framed"
    link = _link_of(text, options, default)
    endpoint = _PARSERS[kind](Endpoint(text=text, kind=kind, link=link, options=options), rest)
    endpoint.bytes_per_s()
    return endpoint


def _wrong(text: str, why: str, kind: str | None = None) -> ConfigError:
    if kind is None:
        from ipfi_serial.transport.suggestions import suggest  # only for who is wrong

        meant = suggest(text, tuple(each for each in _EXAMPLES if each not in ("device", "url")))
        if meant is not None:
            return ConfigError(f"endpoint {text!r}: {why}; did you mean {meant!r}?")
    example = _EXAMPLES[kind] if kind else _USUAL
    return ConfigError(f"endpoint {text!r}: {why}; for example {example}")


def _kind_of(text: str) -> tuple[Kind, str]:
    """Return the kind and what is left for that kind's parser."""
    if not text:
        raise _wrong(text, "it is empty")
    if text[0] in "/." or re.fullmatch(_WINDOWS_PORT, text.partition("?")[0]):
        return "device", text
    scheme, separator, rest = text.partition(":")
    if rest.startswith("//"):
        if scheme not in URL_SCHEMES:
            is_ours = scheme.lower() in _EXAMPLES
            why = f"no // behind {scheme}:" if is_ours else f"unknown URL scheme {scheme!r}"
            raise _wrong(text, why, None if is_ours else "url")
        return "url", text
    for kind in get_args(Kind):
        if separator and scheme == kind and kind not in ("device", "url"):
            return kind, rest
    if separator:
        raise _wrong(text, f"unknown kind {scheme!r}")
    raise _wrong(text, "a device needs its whole path")


def _split_query(kind: Kind, rest: str) -> tuple[str, str]:
    """Return the address and our options; those of a URL that are pyserial's stay in the URL."""
    address, _, query = rest.partition("?")
    if kind != "url":
        return address, query
    ours: list[str] = []
    theirs: list[str] = []
    for part in filter(None, query.split("&")):
        is_ours = part.partition("=")[0] in SERIAL_OPTIONS + COMMON_OPTIONS
        (ours if is_ours else theirs).append(part)
    return address + ("?" + "&".join(theirs) if theirs else ""), "&".join(ours)


def _parse_options(text: str, kind: Kind, query: str) -> tuple[tuple[str, str], ...]:
    if not query:
        return ()
    from urllib.parse import parse_qsl  # not before it is needed, nor unquote: it takes 3 ms

    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise _wrong(text, f"{query!r} is not key=value&key=value", kind) from None
    allowed: tuple[str, ...] = COMMON_OPTIONS
    if kind in ("device", "usb", "url"):
        allowed += SERIAL_OPTIONS
    if kind == "morse":
        allowed += MORSE_OPTIONS
    if kind == "usb":
        allowed += ("interface", "location")
    for name, _ in pairs:
        if name not in allowed and kind != "sim":
            raise _unknown_option(text, name, allowed, kind)
    return tuple(pairs)


def _unknown_option(text: str, name: str, allowed: tuple[str, ...], kind: Kind) -> ConfigError:
    from ipfi_serial.transport.suggestions import nearest

    near = nearest(name, allowed)
    if near is not None:
        return ConfigError(f"endpoint {text!r}: unknown option {name!r}; did you mean {near!r}?")
    return _wrong(text, f"unknown option {name!r}, it takes {', '.join(allowed)}", kind)


def _link_of(text: str, options: tuple[tuple[str, str], ...], default: Link) -> Link:
    value = dict(options).get("link", default)
    if value == "framed":
        return "framed"
    if value == "plain":
        return "plain"
    # the words of the keyword's refusal, engine/setup.py
    raise ConfigError(f"endpoint {text!r}: link is {value!r}; it is 'framed' or 'plain'")


def _parse_path(base: Endpoint, rest: str) -> Endpoint:
    if not rest:
        raise _wrong(base.text, "the path is missing", base.kind)
    return replace(base, path=rest)


def _parse_usb(base: Endpoint, rest: str) -> Endpoint:
    vid, _, others = rest.partition(":")
    pid, _, serial_number = others.partition(":")
    if not (re.fullmatch("[0-9A-Fa-f]{1,4}", vid) and re.fullmatch("[0-9A-Fa-f]{1,4}", pid)):
        raise _wrong(base.text, "vendor and product id are 1 to 4 hexadecimal digits each", "usb")
    from urllib.parse import unquote

    serial_number = unquote(serial_number)
    return replace(base, vid=int(vid, 16), pid=int(pid, 16), serial_number=serial_number or None)


def _parse_tcp(base: Endpoint, rest: str) -> Endpoint:
    host, port = _host_and_port(base, rest)
    if not host:
        raise _wrong(base.text, "the host is missing", "tcp")
    return replace(base, host=host, port=port)


def _parse_tcp_listen(base: Endpoint, rest: str) -> Endpoint:
    host, port = _host_and_port(base, rest if ":" in rest else ":" + rest)
    return replace(base, host=host or LOCAL_HOST, port=port)


def _host_and_port(base: Endpoint, rest: str) -> tuple[str, int]:
    host, separator, port = rest.rpartition(":")
    if not separator or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise _wrong(base.text, f"the port {port!r} is not a number from 0 to 65535", base.kind)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise _wrong(base.text, f"an IPv6 address stands in brackets: [{host}]", base.kind)
    return host, int(port)


def _parse_nothing(base: Endpoint, rest: str) -> Endpoint:
    if rest:
        raise _wrong(base.text, f"{rest!r} is too much", base.kind)
    return base


def _parse_pty(base: Endpoint, rest: str) -> Endpoint:
    return replace(base, path=rest)


def _parse_loopback(base: Endpoint, rest: str) -> Endpoint:
    if not rest:
        raise _wrong(base.text, "both ends need the same name", "loopback")
    return replace(base, name=rest)


def _parse_sim(base: Endpoint, rest: str) -> Endpoint:
    if rest not in SIM_VARIANTS:
        raise _wrong(base.text, f"there is no simulated board {rest!r}", "sim")
    return replace(base, name=rest)


def _parse_morse(base: Endpoint, rest: str) -> Endpoint:
    from ipfi_serial.transport.morse_endpoint import parse_morse  # who opens none loads none of it

    parse_morse(base.text, rest, dict(base.options))
    return replace(base, name=rest)


_PARSERS: Final[dict[Kind, Callable[[Endpoint, str], Endpoint]]] = {
    "device": _parse_path,
    "url": _parse_path,
    "usb": _parse_usb,
    "tcp": _parse_tcp,
    "tcp-listen": _parse_tcp_listen,
    "unix": _parse_path,
    "unix-listen": _parse_path,
    "stdio": _parse_nothing,
    "pty": _parse_pty,
    "loopback": _parse_loopback,
    "sim": _parse_sim,
    "morse": _parse_morse,
}
