"""Opens pyserial's URLs.  ``socket://`` and ``hwgrep://`` lead to a descriptor; others do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import serial

from ipfi_serial.errors import ConfigError, PortNotFoundError
from ipfi_serial.transport.endpoint import Endpoint, parse_endpoint
from ipfi_serial.transport.ports import port_names
from ipfi_serial.transport.threaded import POLL_S, PySerialSource
from ipfi_serial.transport.uart import SerialOptions, configure, explain, keep_what_was_received

if TYPE_CHECKING:
    from concurrent.futures import Future


def resolve_url(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint that a URL stands for, if it stands for one of another kind.

    ``socket://HOST:PORT`` is a TCP connection with a framed link: pyserial would throw away what
    arrives early, and sleep when it closes.  ``hwgrep://PATTERN`` is the first device that fits.

    Raises:
        ConfigError: the URL has no port.
        PortNotFoundError: no device fits.
    """
    scheme = urlsplit(endpoint.path).scheme
    if scheme == "socket":
        netloc = urlsplit(endpoint.path).netloc
        try:
            address = parse_endpoint(f"tcp:{netloc}")
        except ConfigError:
            raise ConfigError(
                f"endpoint {endpoint.text!r}: {netloc!r} is no host and port; "
                "for example socket://192.168.1.5:2000"
            ) from None
        return replace(endpoint, kind="tcp", host=address.host, port=address.port)
    if scheme == "hwgrep":
        return replace(endpoint, kind="device", path=_grep(endpoint))
    return endpoint


def _grep(endpoint: Endpoint) -> str:
    try:
        return str(serial.serial_for_url(endpoint.path, do_not_open=True).port)
    except serial.SerialException:
        raise PortNotFoundError(endpoint.path, port_names()) from None
    except (ValueError, TypeError) as error:
        raise explain(endpoint.path, error) from None


def open_url(endpoint: Endpoint, options: SerialOptions) -> PySerialSource:
    """Open a URL through pyserial's own handler.  May block for some seconds (rfc2217).

    Raises:
        TransportError: it cannot be opened.
    """
    try:
        port = configure(serial.serial_for_url(endpoint.path, do_not_open=True), options)
        port.timeout = POLL_S
        keep_what_was_received(port, options)
        port.open()
    except (OSError, ValueError, KeyError, TypeError) as error:  # its handlers raise all of them
        raise explain(endpoint.path, error) from None
    return PySerialSource(port)


async def open_url_async(endpoint: Endpoint, options: SerialOptions) -> PySerialSource:
    """Open it on a thread; what is open when the waiting task was cancelled is closed again.

    Raises:
        TransportError: it cannot be opened.
    """
    import asyncio  # not before it is needed: it takes 40 ms
    from concurrent.futures import ThreadPoolExecutor

    thread = ThreadPoolExecutor(1, thread_name_prefix=f"ipfi {endpoint}")
    opening = thread.submit(open_url, endpoint, options)
    thread.shutdown(wait=False)
    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: Future[PySerialSource]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def url_speed(endpoint: Endpoint, options: SerialOptions) -> float | None:
    """Return bytes per second: what ``?bps=`` says, None for ``loop://``, else its baud."""
    told = endpoint.bytes_per_s()
    return told if told or urlsplit(endpoint.path).scheme == "loop" else options.bytes_per_s()
