"""Calls: sequential, in flight, and of 1 KiB, against the floor and the peers on the same pty."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import (
    BOARD,
    ERPC,
    EVERYBODY,
    FLOOR,
    FLOOR_AIO,
    GRPCIO,
    OURS,
    OURS_AIO,
    PW_RPC,
    RPYC,
)
from tests.benchmarks.table import Order, Table, cpu, p50, per_s

ADD: Final[Order] = ("add", 200, 1)
FLIGHT: Final[Order] = ("add", 2000, 16)
ECHO: Final[Order] = ("echo1k", 60, 1)


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    table = Table(EVERYBODY, (ADD, FLIGHT, ECHO), rounds)
    return [*_targets(table), *_everybody(table)]


def _targets(table: Table) -> list[Figure]:
    ratio = table.ratio
    return [
        ratio("add p50, C at the far end / ping-pong", (BOARD, FLOOR), ADD, p50, most=1.3),
        ratio("add p50, Python at both ends / ping-pong", (OURS, FLOOR), ADD, p50, most=1.3),
        ratio("add p50 / eRPC", (OURS, ERPC), ADD, p50, most=0.6),
        ratio("add p50 / pw_rpc", (OURS, PW_RPC), ADD, p50, most=0.35),
        ratio("add p50 / grpcio", (OURS, GRPCIO), ADD, p50, most=0.2),
        ratio("add CPU of both ends / eRPC", (OURS, ERPC), ADD, cpu, most=0.6),
        ratio("add CPU of both ends / pw_rpc", (OURS, PW_RPC), ADD, cpu, most=0.25),
        ratio("add p50, asyncio / add_reader", (OURS_AIO, FLOOR_AIO), ADD, p50, most=1.6),
        ratio("add, 16 in flight / pw_rpc", (OURS, PW_RPC), FLIGHT, per_s, least=6.25),
        ratio("add, 16 in flight / rpyc", (OURS, RPYC), FLIGHT, per_s, least=2.5),
        ratio("add, 16 in flight, asyncio / pw_rpc", (OURS_AIO, PW_RPC), FLIGHT, per_s, least=6.25),
        ratio(
            "add, 16 in flight, CPU of both ends / pw_rpc", (OURS, PW_RPC), FLIGHT, cpu, most=0.16
        ),
        ratio("echo of 1 KiB, CPU of both ends / eRPC", (OURS, ERPC), ECHO, cpu, most=0.2),
        ratio("echo of 1 KiB, CPU of both ends / pw_rpc", (OURS, PW_RPC), ECHO, cpu, most=0.12),
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
