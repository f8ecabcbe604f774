"""Endpoint strings."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import ConfigError
from ipfi_serial.transport import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("/dev/ttyACM0", "device", {"path": "/dev/ttyACM0", "link": "framed"}),
        ("./tty", "device", {"path": "./tty"}),
        ("COM3", "device", {"path": "COM3"}),
        ("com12", "device", {"path": "com12"}),
        ("\\\\.\\COM12", "device", {"path": "\\\\.\\COM12"}),
        (" /dev/ttyS0 ", "device", {"path": "/dev/ttyS0", "text": "/dev/ttyS0"}),
        ("socket://host:1", "url", {"path": "socket://host:1", "link": "framed"}),
        ("rfc2217://h:1", "url", {"path": "rfc2217://h:1"}),
        ("loop://", "url", {"path": "loop://"}),
        ("spy:///dev/ttyS0?file=x", "url", {"path": "spy:///dev/ttyS0?file=x"}),
        ("hwgrep://2341", "url", {"path": "hwgrep://2341"}),
        ("alt:///dev/ttyS0", "url", {"path": "alt:///dev/ttyS0"}),
        ("usb:2341:0043", "usb", {"vid": 0x2341, "pid": 0x43, "serial_number": None}),
        ("usb:1A:b:A:1%3F", "usb", {"vid": 0x1A, "pid": 0xB, "serial_number": "A:1?"}),
        ("tcp:host:5000", "tcp", {"host": "host", "port": 5000, "link": "plain"}),
        ("tcp:[::1]:5000", "tcp", {"host": "::1", "port": 5000}),
        ("tcp-listen:5000", "tcp-listen", {"host": "127.0.0.1", "port": 5000, "link": "plain"}),
        ("tcp-listen::5000", "tcp-listen", {"host": "127.0.0.1", "port": 5000}),
        ("tcp-listen:0.0.0.0:0", "tcp-listen", {"host": "0.0.0.0", "port": 0}),  # noqa: S104
        ("tcp-listen:[::]:7", "tcp-listen", {"host": "::", "port": 7}),
        ("unix:/run/x", "unix", {"path": "/run/x", "link": "plain"}),
        ("unix-listen:x", "unix-listen", {"path": "x", "link": "plain"}),
        ("stdio:", "stdio", {"link": "plain"}),
        ("pty:", "pty", {"path": "", "link": "framed"}),
        ("pty:/tmp/board", "pty", {"path": "/tmp/board"}),  # noqa: S108
        ("loopback:a", "loopback", {"name": "a", "link": "framed"}),
        ("sim:", "sim", {"name": "", "link": "framed"}),
        ("sim:c", "sim", {"name": "c"}),
        ("morse:sim:x?wpm=1200", "morse", {"name": "sim:x", "link": "framed"}),
        ("sim:python?loss=0.2", "sim", {"name": "python", "options": (("loss", "0.2"),)}),
    ],
)
def test_every_kind_is_understood(text: str, kind: str, facts: dict[str, object]) -> None:
    endpoint = parse_endpoint(text)
    assert endpoint.kind == kind
    assert str(endpoint) == text.strip()
    for name, value in facts.items():
        assert getattr(endpoint, name) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("ttyUSB0", "/dev/ttyUSB0"),
        ("foo:bar", "unknown kind 'foo'"),
        ("http://x", "unknown URL scheme 'http'"),
        ("morse:gpio", "no gpiochip0, gpiozero or sim"),
        ("device:x", "unknown kind 'device'"),
        ("usb:", "hexadecimal"),
        ("usb:2341", "hexadecimal"),
        ("usb:23411:0043", "hexadecimal"),
        ("usb:xyz:0043", "hexadecimal"),
        ("tcp:host", "port"),
        ("tcp::5000", "host is missing"),
        ("tcp:host:x", "'x' is not a number"),
        ("tcp:host:65536", "65535"),
        ("tcp:::1:5000", r"\[::1\]"),
        ("tcp-listen:", "port"),
        ("unix:", "path is missing"),
        ("unix-listen:", "path is missing"),
        ("stdio:x", "too much"),
        ("loopback:", "same name"),
        ("sim:rust", "no simulated board 'rust'"),
        ("/dev/ttyS0?baude=1", r"unknown option 'baude'; did you mean 'baud'\?"),
        ("/dev/ttyS0?colour=1", "unknown option 'colour', it takes link, bps, baud"),
        ("tcp:h:1?baud=9600", "unknown option 'baud'"),
        ("/dev/ttyS0?baud", "key=value"),
        ("/dev/ttyS0?link=raw", "link is 'raw'; it is 'framed' or 'plain'"),
        ("loopback:a?bps=0", "bps"),
        ("loopback:a?bps=fast", "bps"),
    ],
)
def test_a_wrong_string_is_told_what_is_wrong_with_it(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_endpoint(text)


def test_most_errors_give_an_example() -> None:
    with pytest.raises(ConfigError, match="for example tcp:192"):
        parse_endpoint("tcp:host")


def test_options_stand_behind_a_question_mark() -> None:
    endpoint = parse_endpoint("/dev/ttyS0?baud=9600&link=plain&bps=12.5")
    assert endpoint.option("baud") == "9600"
    assert endpoint.option("parity") is None
    assert endpoint.link == "plain"
    assert endpoint.bytes_per_s() == 12.5
    assert endpoint.path == "/dev/ttyS0"


def test_the_link_of_a_stream_may_be_overruled() -> None:
    assert parse_endpoint("tcp:ser2net:2000?link=framed").link == "framed"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ttyUSB0", "/dev/ttyUSB0"),
        ("serial:/dev/ttyUSB0", "/dev/ttyUSB0"),
        ("COM3:", "COM3"),
        ("sim", "sim:"),
        ("Sim:c", "sim:c"),
        ("pty", "pty:"),
        ("tpc:host:5000", "tcp:host:5000"),
        ("localhost:5000", "tcp:localhost:5000"),
        ("192.168.1.5:5000", "tcp:192.168.1.5:5000"),
        ("tcp://host:5000", "tcp:host:5000"),
        ("unix:///run/board", "unix:/run/board"),
        ("pty:///run/board", "pty:/run/board"),
        ("loopbak:test", "loopback:test"),
    ],
)
def test_a_wrong_string_is_answered_with_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint(text)
    assert str(caught.value).endswith(f"; did you mean {meant!r}?")
    parse_endpoint(meant)


@pytest.mark.parametrize("text", ["", "foo:bar", "board", "zzz://x"])
def test_a_string_that_resembles_nothing_is_answered_with_few_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="for example") as caught:
        parse_endpoint(text)
    assert len(str(caught.value)) < 150


def test_options_of_a_url_that_are_pyserials_stay_in_it() -> None:
    endpoint = parse_endpoint("rfc2217://h:1?ign_set_control&baud=9600")
    assert endpoint.path == "rfc2217://h:1?ign_set_control"
    assert endpoint.option("baud") == "9600"


def test_an_endpoint_is_a_value() -> None:
    assert parse_endpoint("tcp:h:1") == parse_endpoint("tcp:h:1")
    assert len({parse_endpoint("sim:"), parse_endpoint("sim:")}) == 1
    assert isinstance(parse_endpoint("sim:"), Endpoint)
