"""The C core played with by hand, frame by frame."""

from __future__ import annotations

import ctypes
from typing import Any, Final, cast

from ipfi_serial.link.parameters import FrameType, Parameters
from tests.harness.links import parameters
from tests.link._frames import Puppet, ack
from tests.simulation.core import CoreEnd
from tests.simulation.plan import EndPlan

WORD: Final = b"\1\2"  # what the core's events say


class CorePuppet(Puppet):
    """Plays the other end of a C core, which has begun a session with it.

    Args:
        active: the core has the host's role and opens the session.
        confirmed: whether an active core hears of it that its session stands.
        bytes_per_s: speed of the core's line; None: it does not know.
        changes: of what the puppet says of itself.

    Attributes:
        core: the end under test.
    """

    def __init__(
        self,
        *,
        active: bool = False,
        confirmed: bool = True,
        bytes_per_s: float | None = None,
        **changes: Any,
    ) -> None:
        plan, line = EndPlan(host=active, window=4, credit=64), (bytes_per_s, False)
        self.core = CoreEnd(1, 0, plan, line, 100.0)
        own: Parameters = parameters(
            **{"flags": 0 if active else 1, "nonce": 7, "crc_profiles": 1} | changes
        )
        super().__init__(cast(Any, self.core), own)
        said = self.hear()
        if active:
            self.answer(said[0], int.from_bytes(said[0][-2:], "little"))  # its floor (HS-4)
            (ready,) = self.hear()
            if confirmed:
                self.say(ack(self.session, 0, echo=ready[3], credit=own.credit))
        else:
            self.initiate()

    def emit(self, *, lossy: bool = False) -> None:
        """Let the core's program emit an event."""
        assert self.core.emit(WORD, self.now_s, lossy=lossy)

    def call(self) -> None:
        """Let the core's program call, and acknowledge that."""
        c = self.core._c
        now_ms = ctypes.c_uint32(round(self.now_s * 1000))
        timeout_ms = ctypes.c_uint32(60_000)
        nothing = (b"", ctypes.c_size_t(0))
        assert (
            c.simulation_call(self.core._at, ctypes.c_uint16(1), *nothing, timeout_ms, now_ms) >= 0
        )
        assert self.kinds() == ["DATA"]
        self.say(ack(self.session, 1))

    def data_said_in(self, seconds: float) -> list[float]:
        """Let time pass in steps of a millisecond; return when DATA frames came."""
        found = []
        for _ in range(round(seconds * 1000)):
            found += [self.now_s for content in self.hear() if content[0] == FrameType.DATA]
            self.wait(0.001)
        return found
