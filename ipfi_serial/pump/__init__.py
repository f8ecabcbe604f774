"""The engine room of the blocking shell."""

from ipfi_serial.pump.pump import Pump
from ipfi_serial.pump.turns import Waiter

__all__ = ["Pump", "Waiter"]
