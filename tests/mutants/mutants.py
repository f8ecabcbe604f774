"""All planted bugs."""

from __future__ import annotations

from typing import Final

from tests.mutants.engine_bugs import ENGINE_BUGS
from tests.mutants.firmware_bugs import FIRMWARE_BUGS
from tests.mutants.link_bugs import HANDSHAKE_BUGS, TIME_AND_RING_BUGS, TRANSFER_BUGS
from tests.mutants.planting import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *HANDSHAKE_BUGS,
    *TRANSFER_BUGS,
    *TIME_AND_RING_BUGS,
    *ENGINE_BUGS,
    *FIRMWARE_BUGS,
)
