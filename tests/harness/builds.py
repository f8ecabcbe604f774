"""What a test says that needs one of the two builds of the package."""

from __future__ import annotations

from typing import Final

import pytest

import ipfi_serial

# Compiled classes have no dictionary, cannot be pickled, and find each other without looking.
_REASON: Final = "it replaces, or copies, parts of the core: only the pure build allows that"
replaces_parts = pytest.mark.skipif(ipfi_serial.__compiled__, reason=_REASON)


def about_to_replace_parts() -> None:
    """Skip the rest of a test whose other parameters replace nothing."""
    if ipfi_serial.__compiled__:
        pytest.skip(_REASON)
