"""What a wrong endpoint string was probably meant to be.  Looks at no device."""

from __future__ import annotations

import re
from typing import Final

_NEEDS_NOTHING: Final = ("sim", "pty", "stdio")
_DEVICE_NAME: Final = r"(tty|cu\.|cuaU|rfcomm|serial/)\S*"


def suggest(text: str, kinds: tuple[str, ...]) -> str | None:
    """Return the endpoint that ``text`` is probably meant to be, or None.

    Args:
        text: an endpoint string that is none.
        kinds: what may stand before the colon.
    """
    scheme, separator, rest = text.partition(":")
    if re.fullmatch(_DEVICE_NAME, text):
        return f"/dev/{text}"
    if re.fullmatch(r"(?i)COM\d+:", text):
        return text.rstrip(":")
    if rest.startswith("//"):
        rest = rest[2:] if scheme in ("tcp", "tcp-listen") else "/" + rest.lstrip("/")
    kind = scheme.lower() if scheme.lower() in kinds else nearest(scheme, kinds)
    if kind is not None and (separator or kind in _NEEDS_NOTHING):
        return f"{kind}:{rest}"
    if separator and re.fullmatch(r"[0-9]{1,5}", rest):
        return f"tcp:{text}"  # host:port
    if separator and re.fullmatch(r"/dev/\S+", rest):
        return rest  # serial:/dev/ttyUSB0
    return None


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """Return the known word that ``word`` is probably meant to be, or None."""
    import difflib  # only for a mistyped endpoint: it takes 8 ms to import

    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return near[0] if near else None
