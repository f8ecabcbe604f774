"""What a test says that needs one of the two builds of the package."""

from __future__ import annotations

import pytest

import ipfi_serial

# Compiled classes have no dictionary, cannot be pickled, and find each other without looking.
replaces_parts = pytest.mark.skipif(
    ipfi_serial.__compiled__,
    reason="it replaces, or copies, parts of the core: only the pure build allows that",
)
