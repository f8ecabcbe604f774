"""Fixtures of the conformance suite, and why some requirements cannot be tried on a target."""

from __future__ import annotations

import pytest

from ipfi_hil.bench import Bench
from ipfi_hil.peer import Peer
from ipfi_hil.plugin import excuse_requirements
from ipfi_serial import Interface, WireConfig

STREAM_BYTES, LEAST_STREAM_BYTES = 16 << 10, 256  # that a stream may send ahead; 256 are 32 items
GREET, FAIL = 50, 51
"""What the host serves to the board: see :func:`ipfi_interface`."""

EXCUSED = {
    "MSG-8": "concerns a plain end; firmware is framed (tests/shells)",
    "CALL-9": "concerns a plain wire (tests/engine)",
    "CALL-10": "concerns the caller (tests/engine)",
    "STREAM-3": "concerns the caller's program (tests/engine)",
    "EVENT-4": "concerns a plain wire (tests/engine)",
    "DESC-4": "concerns the one who writes the table (tests/engine)",
    "VAL-3": "concerns Python's types (tests/codec)",
    "HS-1": "concerns an active end (tests/link)",
    "HS-4": "concerns an active end (tests/link)",
    "HS-6": "concerns an active end (tests/link)",
    "HS-8": "concerns an active end (tests/link)",
    "HS-9": "concerns an active end (tests/link)",
    "LINK-10": "needs the sender's clock (tests/link, tests/simulation)",
    "LINK-13": "takes 5 s of silence (tests/link)",
    "LINK-22": "concerns an end that lost its state and did not say so (tests/link)",
    "LINK-18": "cannot be seen from outside: an operating system buffers here (tests/link)",
}


def pytest_configure(config: pytest.Config) -> None:
    """Tell the report what no test of this suite can show."""
    excuse_requirements(config, EXCUSED)


@pytest.fixture
def ipfi_interface() -> Interface:
    """What the host serves: a greeting, and a failure."""
    interface = Interface()

    @interface.procedure(GREET)
    def greet(text: str) -> str:
        return f"hello {text}"

    @interface.procedure(FAIL)
    def fail(text: str) -> str:
        raise ValueError(text)

    return interface


@pytest.fixture
def ipfi_config(ipfi_target: Bench) -> WireConfig:
    """A patient host: no deadline here is what is tested; a slow line fills no large buffer."""
    return WireConfig(
        call_timeout_s=ipfi_target.patience_s(20.0),
        stream_buffer_bytes=ipfi_target.amount(STREAM_BYTES, LEAST_STREAM_BYTES),
    )


@pytest.fixture
def stranger(ipfi_target: Bench) -> Peer:
    """A host that has said nothing yet."""
    return Peer(ipfi_target.open_line(), ipfi_target.patience_s(5.0))


@pytest.fixture
def peer(stranger: Peer) -> Peer:
    """A host that has a session."""
    stranger.open()
    return stranger
