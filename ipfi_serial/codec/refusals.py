"""Why a value does not travel.

Interpreted even where its neighbours are compiled: the exceptions would have no dictionary then,
and could not be copied.
"""

from __future__ import annotations

from ipfi_serial.errors import IpfiError, LocalProtocolError


class ValueCodecError(IpfiError, ValueError):
    """Bytes that came in are not a value of the type that is wanted."""


class ArgumentError(ValueCodecError):
    """Arguments that came in do not fit the procedure; the text is for the caller."""


class ValueEncodeError(LocalProtocolError, ValueError):
    """A value of this program cannot travel."""
