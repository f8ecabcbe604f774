"""The one place where the command line writes: lines for people, JSON objects for programs.

Colours only on a terminal, and not if NO_COLOR is set.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
from typing import Any, Final, TextIO

from ipfi_serial.codec.names import Value

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SHOWN_BYTES: Final = 32  # of a longer value, on a terminal
_WHOLE_BYTES: Final = 64
_CLOSE_S: Final = 1.0  # for a line that is being written; longer, and nobody reads it


class Screen:
    """Standard output and standard error.  Safe from any thread.

    Attributes:
        json: whether programs read, and not people.
    """

    def __init__(self, out: TextIO, err: TextIO, *, as_json: bool = False) -> None:
        self.json = as_json
        self._is_closed = False
        self._out = out
        self._err = err
        self._lock = threading.Lock()
        self._out_colours = _has_colours(out)
        self._err_colours = _has_colours(err)
        self._has_status = False

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at standard output."""
        return self._out.isatty()

    def line(self, text: str = "") -> None:
        """Write a line for people; nothing if programs read."""
        if not self.json:
            self._write(self._out, text + "\n")

    def result(self, value: Value) -> None:
        """Write a value that came from the other end; it cannot play with the terminal."""
        if not self.is_terminal:
            self.line(shown(value))
            return
        text = _text_in(value)
        hint = self.styled(f"  {json.dumps(text)}", "dim") if text else ""
        self.line(harmless(shown(value, briefly=True)) + hint)

    def object(self, value: dict[str, Any]) -> None:
        """Write one JSON object on one line; nothing if people read."""
        if self.json:
            self._write(self._out, json.dumps(plain(value), ensure_ascii=False) + "\n")

    def bytes(self, data: bytes) -> None:
        """Write bytes as they are."""
        with self._lock:
            if not self._is_closed:
                self._out.flush()
                self._out.buffer.write(data)
                self._out.flush()

    def note(self, text: str, style: str = "") -> None:
        """Write a line to standard error, for people."""
        self._write(self._err, _styled(text, style, self._err_colours) + "\n")

    def status(self, text: str) -> None:
        """Show how far it is, on standard error: on a terminal in one line that is redrawn."""
        if not self._err.isatty():
            if not self.json:
                self._write(self._err, text + "\n")
            return
        width = max(20, shutil.get_terminal_size().columns - 1)
        self._write(self._err, f"\r\x1b[K{text[:width]}")
        self._has_status = True

    def clear_status(self) -> None:
        """Take the line of :meth:`status` away."""
        if self._has_status:
            self._write(self._err, "\r\x1b[K")
            self._has_status = False

    def styled(self, text: str, style: str) -> str:
        """Return ``text`` in a style: bold, dim, red, green, yellow or cyan."""
        return _styled(text, style, self._out_colours)

    def close(self) -> bool:
        """Write nothing from now on, whichever thread asks: the process ends.

        Python aborts a process that ends while another thread is inside a write.

        Returns:
            Whether no thread is; one that still is after a second waits for a reader.
        """
        if not self._lock.acquire(timeout=_CLOSE_S):
            return False
        self._is_closed = True
        self._lock.release()
        return True

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock:
            if not self._is_closed:
                stream.write(text)
                stream.flush()


def _has_colours(stream: TextIO) -> bool:
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()


def _styled(text: str, style: str, colours: bool) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and colours else text


def harmless(text: str) -> str:
    """Return ``text`` with its control characters written out."""
    return "".join(
        c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def plain(value: Value) -> Value:
    """Return a value that came over the wire as JSON can hold it: bytes become ``{"hex": ...}``."""
    if isinstance(value, bytes | bytearray):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {k if isinstance(k, str) else shown(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def shown(value: Value, *, briefly: bool = False) -> str:
    """Return a value as one argument or result is shown to people.

    Args:
        value: what came over the wire.
        briefly: show only the beginning of many bytes.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return _shown_bytes(bytes(value), briefly=briefly)
    return json.dumps(plain(value), ensure_ascii=False)


def _text_in(value: Value) -> str:
    """Return the text in a few bytes, if that is what they are."""
    if isinstance(value, bytes) and value.isascii() and len(value) <= _WHOLE_BYTES:
        text = value.decode()
        return text if text.isprintable() else ""
    return ""


def _shown_bytes(data: bytes, *, briefly: bool) -> str:
    if not briefly or len(data) <= _WHOLE_BYTES:
        return data.hex()
    return f"{data[:_SHOWN_BYTES].hex()}... ({len(data):,} bytes; --raw writes them all)"
