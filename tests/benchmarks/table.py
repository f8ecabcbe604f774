"""Samples of all candidates, taken in turns: one table from which ratios are made."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.benchmarks.figures import Figure, at_least, at_most, missing, plain, ratios
from tests.benchmarks.pairs import Pair, Sample
from tests.benchmarks.peers import Peer, Unavailable

Order = tuple[str, int, int]  # what, how many, how many at once
Pick = Callable[[Sample], float]
WARM_UP: Final = 300


def p50(sample: Sample) -> float:
    """Median time of a call in microseconds."""
    return sample.p50_us


def cpu(sample: Sample) -> float:
    """CPU time of a call in microseconds, both ends."""
    return sample.cpu_us


def per_s(sample: Sample) -> float:
    """Calls a second."""
    return 1e6 / sample.wall_us


class Table:
    """What each candidate gave for each order, round by round.

    Args:
        peers: the candidates; all of them stand ready while the rounds go on.
        orders: what each is asked in each round, as far as it can do it.
        rounds: how many.
    """

    def __init__(self, peers: Iterable[Peer], orders: Sequence[Order], rounds: int) -> None:
        self.samples: dict[tuple[str, Order], list[Sample]] = {}
        self.reasons: dict[str, str] = {}  # of candidates that could not be measured
        with contextlib.ExitStack() as stack:
            pairs = []
            for peer in peers:
                try:
                    pair = stack.enter_context(Pair(peer))
                    for order in self._orders_of(pair, orders):
                        pair.ask(order[0], min(WARM_UP, order[1]), 1)
                    pairs.append(pair)
                except Unavailable as error:
                    self.reasons[peer.name] = str(error)
            for number in range(rounds):
                for pair in pairs:
                    self._round(pair, orders)
                sys.stderr.write(f"\rround {number + 1} of {rounds} ")
                sys.stderr.flush()
            sys.stderr.write("\n")

    def _round(self, pair: Pair, orders: Sequence[Order]) -> None:
        name = pair.peer.name
        if name in self.reasons:
            return
        for order in self._orders_of(pair, orders):
            try:
                sample = pair.ask(*order)
            except Unavailable as error:
                self.reasons[name] = str(error)
                return
            self.samples.setdefault((name, order), []).append(sample)

    @staticmethod
    def _orders_of(pair: Pair, orders: Sequence[Order]) -> list[Order]:
        return [o for o in orders if o[0] in pair.can and (o[2] == 1 or pair.together)]

    def values(self, peer: Peer, order: Order, pick: Pick) -> list[float]:
        """Return one number of each round.

        Raises:
            Unavailable: why there is none.
        """
        if peer.name in self.reasons:
            raise Unavailable(f"{peer.name}: {self.reasons[peer.name]}")
        if (peer.name, order) not in self.samples:
            raise Unavailable(f"{peer.name} cannot do that")
        return [pick(sample) for sample in self.samples[peer.name, order]]

    def plain(self, name: str, peer: Peer, order: Order, pick: Pick, unit: str) -> Figure:
        """Make a figure without a target."""
        try:
            return plain(name, self.values(peer, order, pick), unit)
        except Unavailable as error:
            return missing(name, unit, "", str(error))

    def ratio(
        self,
        name: str,
        pair: tuple[Peer, Peer],
        order: Order,
        pick: Pick,
        *,
        most: float | None = None,
        least: float | None = None,
    ) -> Figure:
        """Make a figure: the first of ``pair`` against the second one."""
        target = f"<= {most:g}" if most is not None else f">= {least:g}"
        try:
            above, below = (self.values(peer, order, pick) for peer in pair)
        except Unavailable as error:
            return missing(name, "x", target, str(error))
        values = ratios(above, below)
        if most is not None:
            return at_most(name, values, most)
        return at_least(name, values, least or 0.0)
