"""Every test of the shells must leave nothing behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.shells.ends import count_descriptors, our_threads, wait_until


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Check that threads and descriptors are gone when a test has closed what it opened."""
    wait_until(lambda: not our_threads(), "threads of other tests are left behind")
    gc.collect()
    descriptors = count_descriptors()
    yield
    wait_until(lambda: not our_threads(), "threads are left behind")
    gc.collect()
    wait_until(lambda: count_descriptors() <= descriptors, "descriptors are left behind")
