"""What the callers were told about each call, to be compared with what the board has executed."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from ipfi_serial.errors import IpfiError


@dataclass
class Ledger:
    """Every call by its id, and its end.

    Attributes:
        begun: ids of calls that a program has made.
        ended: how each ended: None is an answer, which was right.
        wrong: what no caller may ever be told.
    """

    begun: set[int] = field(default_factory=set)
    ended: dict[int, IpfiError | None] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ids: count[int] = field(default_factory=lambda: count(1))

    def begin(self) -> int:
        """Return the id of a new call."""
        with self._lock:
            number = next(self._ids)
            self.begun.add(number)
            return number

    def end(self, number: int, error: IpfiError | None) -> None:
        """Note how a call ended."""
        with self._lock:
            if number in self.ended:
                self.wrong.append(f"call {number} ended twice")
            self.ended[number] = error

    def fail(self, text: str) -> None:
        """Note what must not be."""
        with self._lock:
            self.wrong.append(text)

    def errors(self) -> Counter[str]:
        """Return how many calls ended with which error."""
        with self._lock:
            return Counter(type(each).__name__ for each in self.ended.values() if each is not None)

    def lies(self, executed: Counter[int]) -> list[str]:
        """Return every call whose caller was told what is not true."""
        with self._lock:
            found = list(self.wrong)
            found += [f"call {each} never ended" for each in self.begun - self.ended.keys()]
            found += [
                f"call {each} was executed, and never made" for each in executed.keys() - self.begun
            ]
            for number, error in self.ended.items():
                times = executed[number]
                if times > 1:
                    found.append(f"call {number} was executed {times} times")
                elif error is None and times == 0:
                    found.append(f"call {number} was answered, but not executed")
                elif error is not None and error.may_have_executed is None:
                    found.append(f"call {number}: {error!r} does not say whether it was executed")
                elif error is not None and times and not error.may_have_executed:
                    found.append(f"call {number} was executed; its caller heard {error!r}, and no")
        return found
