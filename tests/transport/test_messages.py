"""What a person reads when a line does not open: one traceback, one line of advice."""

from __future__ import annotations

import asyncio
import re
import socket
import traceback
from pathlib import Path

import pytest

from ipfi_serial.errors import ConfigError, IpfiError, PortBusyError, PortNotFoundError
from ipfi_serial.transport import (
    Listener,
    open_async_transport,
    open_transport,
)
from ipfi_serial.transport.descriptor import gone

HARDWARE = re.compile("cable|baud|unplugged|powered|TX")
WRONG = [
    "/dev/nope",
    "/dev/null",
    "tcp:127.0.0.1:1",
    "tcp:nobody.invalid:1",
    "tcp:127.0.0.1:0",
    "unix:{folder}/nope",
    "unix:{folder}/file",
    "unix-listen:{folder}/no/folder",
    "pty:{folder}/file",
    "pty:{folder}/no/folder",
    "rfc2217://127.0.0.1:1",
    "socket://127.0.0.1:1",
    "socket://127.0.0.1",
    "spy:///dev/nope",
    "hwgrep://nothing-like-it",
    "loop://?logging=wrong",
    "usb:ffff:fffe",
    "morse:gpiochip99:tx=1,rx=2",
    "tcp:nobody",
]


def refusal(endpoint: str, folder: Path) -> list[IpfiError]:
    """Open it in both shells; return what each raised."""
    (folder / "file").touch()
    text = endpoint.format(folder=folder)
    errors: list[IpfiError] = []
    try:
        open_transport(text, connect_timeout_s=5.0).close()
    except IpfiError as error:
        errors.append(error)
    try:
        asyncio.run(open_async_transport(text, connect_timeout_s=5.0))
    except IpfiError as error:
        errors.append(error)
    return errors


@pytest.mark.parametrize("endpoint", WRONG)
def test_a_line_that_does_not_open_shows_one_traceback(endpoint: str, tmp_path: Path) -> None:
    errors = refusal(endpoint, tmp_path)
    assert len(errors) == 2, "one in each shell"
    for error in errors:
        assert "".join(traceback.format_exception(error)).count("Traceback") == 1
        assert "\n" not in str(error)
        assert "('" not in str(error), "a Python tuple"


def test_a_listener_that_cannot_listen_shows_one_traceback(tmp_path: Path) -> None:
    for endpoint in (f"unix:{tmp_path}/no/folder", "tcp:192.0.2.1:1", "tcp:nobody.invalid:1"):
        with pytest.raises(IpfiError) as caught:
            Listener(endpoint)
        assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1
        assert "check" in str(caught.value)


@pytest.mark.parametrize("name", ["nope", "file", "dead"])
def test_errors_of_unix_sockets_speak_of_sockets(name: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    for error in refusal(f"unix:{{folder}}/{name}", tmp_path):
        assert "socket" in str(error) or "nobody listens" in str(error)
        assert not re.search(r"\bport|host\b", str(error).replace(str(tmp_path), ""))
        assert isinstance(error, PortNotFoundError) is (name == "nope")


def test_a_socket_in_use_is_called_one(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/board"
    with Listener(path), pytest.raises(PortBusyError, match="listens on this socket") as caught:
        Listener(path)
    assert "port" not in str(caught.value).replace(str(tmp_path), "")
    with Listener(path), pytest.raises(IpfiError, match=f"use 'unix:{tmp_path}/board'"):
        open_transport(f"{tmp_path}/board")


@pytest.mark.parametrize("endpoint", ["pty:", "/dev/ttyUSB0", "loopback:x", "usb:1:2"])
def test_what_cannot_listen_can_be_a_device(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"connect('{endpoint}', ..., role='device')")):
        Listener(endpoint)


@pytest.mark.parametrize("endpoint", ["sim:", "stdio:"])
def test_what_has_no_roles_is_only_connected(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"connect('{endpoint}')")):
        Listener(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["pty:", "loopback:x", "stdio:", "unix:/x", "tcp:h:1", "sim:python", "socket://h:1"]
)
def test_a_line_without_a_cable_that_ends_gets_no_advice_about_cables(endpoint: str) -> None:
    assert not HARDWARE.search(gone(endpoint))
    assert HARDWARE.search(gone("/dev/ttyUSB0", 11520.0))
    assert HARDWARE.search(gone("rfc2217://h:1", 11520.0))
    for virtual in ("/dev/pts/3", "/tmp/link-to-it"):  # noqa: S108
        assert "the program that made it has ended" in gone(virtual)
        assert "cable" not in gone(virtual)
