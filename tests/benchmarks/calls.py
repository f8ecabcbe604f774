"""Calls: sequential, in flight, and of 1 KiB, against the floor and the peers on the same pty."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import (
    BOARD,
    BOARD_COMPILED,
    ERPC,
    EVERYBODY,
    FLOOR,
    FLOOR_AIO,
    GRPCIO,
    OURS,
    OURS_AIO,
    OURS_AIO_COMPILED,
    OURS_COMPILED,
    PW_RPC,
    RPYC,
    Peer,
)
from tests.benchmarks.table import Order, Pick, Table, cpu, p50, per_s

ADD: Final[Order] = ("add", 200, 1)
FLIGHT: Final[Order] = ("add", 2000, 16)
ECHO: Final[Order] = ("echo1k", 60, 1)


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    table = Table(EVERYBODY, (ADD, FLIGHT, ECHO), rounds)
    return [*_targets(table), *_everybody(table)]


def _targets(table: Table) -> list[Figure]:
    compiled = (BOARD_COMPILED, OURS_COMPILED, OURS_AIO_COMPILED)
    return [
        *_ratios(table, "", (BOARD, OURS, OURS_AIO)),
        *_ratios(table, "compiled: ", compiled),
    ]


def _ratios(table: Table, build: str, ours: tuple[Peer, Peer, Peer]) -> list[Figure]:
    """Hold one build against the floor and the peers; ``ours``: with a board, blocking, asyncio."""
    board, both, loop = ours

    def most(name: str, pair: tuple[Peer, Peer], order: Order, pick: Pick, limit: float) -> Figure:
        return table.ratio(build + name, pair, order, pick, most=limit)

    def least(name: str, pair: tuple[Peer, Peer], limit: float) -> Figure:
        return table.ratio(build + name, pair, FLIGHT, per_s, least=limit)

    return [
        most("add p50, C at the far end / ping-pong", (board, FLOOR), ADD, p50, 1.3),
        most("add p50, Python at both ends / ping-pong", (both, FLOOR), ADD, p50, 1.3),
        most("add p50 / eRPC", (both, ERPC), ADD, p50, 0.6),
        most("add p50 / pw_rpc", (both, PW_RPC), ADD, p50, 0.35),
        most("add p50 / grpcio", (both, GRPCIO), ADD, p50, 0.2),
        most("add CPU of both ends / eRPC", (both, ERPC), ADD, cpu, 0.6),
        most("add CPU of both ends / pw_rpc", (both, PW_RPC), ADD, cpu, 0.25),
        most("add p50, asyncio / add_reader", (loop, FLOOR_AIO), ADD, p50, 1.6),
        least("add, 16 in flight / pw_rpc", (both, PW_RPC), 6.25),
        least("add, 16 in flight / rpyc", (both, RPYC), 2.5),
        least("add, 16 in flight, asyncio / pw_rpc", (loop, PW_RPC), 6.25),
        most("add, 16 in flight, CPU of both ends / pw_rpc", (both, PW_RPC), FLIGHT, cpu, 0.16),
        most("echo of 1 KiB, CPU of both ends / eRPC", (both, ERPC), ECHO, cpu, 0.2),
        most("echo of 1 KiB, CPU of both ends / pw_rpc", (both, PW_RPC), ECHO, cpu, 0.12),
    ]


def _everybody(table: Table) -> list[Figure]:
    """Return what everybody did, without targets: for the table and the picture."""
    figures: list[Figure] = []
    for peer in EVERYBODY:
        for title, order, pick, unit in (
            ("add p50", ADD, p50, "us"),
            ("add CPU", ADD, cpu, "us"),
            ("add in flight", FLIGHT, per_s, "/s"),
            ("add in flight, CPU", FLIGHT, cpu, "us"),
            ("1 KiB p50", ECHO, p50, "us"),
            ("1 KiB CPU", ECHO, cpu, "us"),
        ):
            figures.append(table.plain(f"{peer.name}: {title}", peer, order, pick, unit))
        figures.append(
            table.plain(f"{peer.name}: client memory", peer, ADD, lambda s: s.client_mib, "MiB")
        )
    return figures
