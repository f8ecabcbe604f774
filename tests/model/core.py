"""The C library in the device's place of a replay."""

from __future__ import annotations

from typing import Final

from ipfi_serial.link.states import LinkState
from tests.model.ends import End
from tests.simulation.core import STATE, STATES, CoreEnd
from tests.simulation.end import News
from tests.simulation.plan import EndPlan

BETWEEN_HELLOS_S: Final = 2.0  # longer than any interval of HS-1


class CoreDevice(End):
    """A device whose link is the C core; it waits for the host.

    It says HELLO as soon as it can, not when a timer says so; :attr:`early` keeps it for the step
    in which the model says it.
    """

    def __init__(
        self, life: int, seed: int, now_s: float, *, payload: int = 64, window: int = 2
    ) -> None:
        super().__init__(now_s)
        plan = EndPlan(credit=64, seed=seed, payload=payload, window=window)
        self._core = CoreEnd(1, life, plan, (None, False), now_s)

    @property
    def state(self) -> LinkState:
        """Where the core stands."""
        return STATES[self._core._status[STATE]]

    def receive(self, wire: bytes) -> None:
        """Take a frame, when it is time for a HELLO again (HS-11)."""
        if self.state is LinkState.LISTENING:
            self.now_s += BETWEEN_HELLOS_S
        self._core.receive_bytes(wire, self.now_s)

    def take(self) -> bytes:
        """Hand over wire bytes."""
        return self._core.bytes_to_send(self.now_s)

    def due_s(self) -> float | None:
        """Return when the core wants to be looked at."""
        return self._core.next_deadline_s()

    def on_deadline(self) -> None:
        """Let what is due happen."""
        self._core.on_deadline(self.now_s)

    def differs(self, session: int, pending: int) -> str:
        """Tell nothing: which sessions it holds shows in its frames."""
        del session, pending
        return ""

    def take_delivered(self) -> list[bytes]:
        """Return what its program got."""
        found = []
        while (entry := self._core.next_event()) is not None:
            if isinstance(entry, News):
                found.append(entry.payload)
        return found

    def push(self, payload: bytes) -> None:
        """Send an Event."""
        assert self._core.emit(payload, self.now_s, lossy=False)

    def push_lossy(self) -> None:
        """Send an Event in a LOSSY frame."""
        assert self._core.emit(b"", self.now_s, lossy=True)

    def forget(self) -> None:
        """Give the memory back."""
        self._core.forget()
