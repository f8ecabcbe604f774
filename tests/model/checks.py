"""Which runs of the verifier there are: the protocol within its bounds, and each planted bug."""

from __future__ import annotations

from typing import Final

from tests.model.spin import Check

_SMALL: Final = ("CAPACITY=1", "MOVES=2")
_SMALLER: Final = ("CAPACITY=1", "MOVES=1")
# three moves, of fewer kinds
_LINE_AND_DEVICE: Final = ("CAPACITY=1", "MOVES=3", "NO_EARLY", "NO_PATIENCE", "NO_HOST_REBOOT")
_LINE_AND_REBOOTS: Final = ("CAPACITY=1", "MOVES=3", "NO_EARLY", "NO_PATIENCE")
_MORE: Final = ("CAPACITY=1", "MOVES=4", "NO_EARLY", "NO_PATIENCE")
# a device without entropy: it says HELLO before it hears anything, and that HELLO is not lost
_NO_ENTROPY: Final = (*_MORE, "NO_HOST_REBOOT", "CONSTANT", "HASTY", "HELLO_ARRIVES")
_NO_REBOOT: Final = ("CAPACITY=1", "MOVES=3", "NO_REBOOT")

_HANDSHAKE: Final = (
    Check("a host and a waiting device", "handshake", _SMALL),
    Check("nonces that are always the same", "handshake", (*_SMALL, "CONSTANT")),
    Check("both ends open", "handshake", (*_SMALL, "BOTH_ACTIVE")),
    Check("two hosts, either of which may win", "handshake", (*_SMALLER, "PEERS")),
    Check("late frames around a restart", "handshake", _LINE_AND_DEVICE, deep=True),
    Check("late frames, restarts of both", "handshake", _LINE_AND_REBOOTS, deep=True),
    Check(
        "late frames around a restart, four moves",
        "handshake",
        (*_MORE, "NO_HOST_REBOOT"),
        deep=True,
    ),
    Check("restarts, both open, four moves", "handshake", (*_MORE, "BOTH_ACTIVE"), deep=True),
    Check("no entropy, four moves", "handshake", _NO_ENTROPY, deep=True),
    Check("ids that come back", "handshake", (*_LINE_AND_REBOOTS, "FLOORS_COME_BACK"), deep=True),
    Check("sessions given up, no restart", "handshake", _NO_REBOOT, deep=True),
    Check("both open, no restart", "handshake", (*_NO_REBOOT, "BOTH_ACTIVE"), deep=True),
    Check("two hosts, two moves", "handshake", (*_SMALL, "PEERS"), deep=True),
    Check("three moves of all kinds", "handshake", ("CAPACITY=1", "MOVES=3"), deep=True),
    Check(
        "three moves, the same nonces",
        "handshake",
        ("CAPACITY=1", "MOVES=3", "CONSTANT"),
        deep=True,
    ),
    Check("two frames on the line, each way", "handshake", ("CAPACITY=2", "MOVES=2"), deep=True),
)
_HANDSHAKE_BUGS: Final = (  # three of them do no harm to frames that are sealed (FRAME-10)
    Check("READY told by id", "handshake", (*_SMALL, "IDS_ALONE"), "READY_WITHOUT_CONFIRM"),
    Check("frames of any session taken", "handshake", _SMALL, "ACCEPT_ANY_SESSION"),
    Check("ids used again", "handshake", (*_SMALL, "IDS_ALONE"), "NO_FLOOR"),
    Check(
        "a device without memory says 1",
        "handshake",
        (*_LINE_AND_REBOOTS, "IDS_ALONE"),
        "FLOOR_ONE",
    ),
    Check(
        "ids that come back, frames told by id",
        "handshake",
        (*_LINE_AND_REBOOTS, "FLOORS_COME_BACK"),
        "IDS_ALONE",
    ),
    Check("two attempts cross", "handshake", _NO_REBOOT, "CROSSING"),
    Check("READY without end", "handshake", _SMALLER, "READY_FOR_EVER"),
    Check(  # nonces that differ stand behind it: of a new life no READY is answered (HS-5)
        "one id entered twice",
        "handshake",
        (*_LINE_AND_DEVICE, "CONSTANT"),
        "SAME_ID_TWICE",
        deep=True,
    ),
    Check("READY of a new life", "handshake", _NO_ENTROPY, "ANSWERS_AFTER_HELLO", deep=True),
    Check(
        "HELLO with an old floor",
        "handshake",
        (*_SMALL, "PEERS"),
        "FLOOR_OF_THE_ATTEMPT",
        deep=True,
    ),
    Check("any HELLO_ACK taken", "handshake", _LINE_AND_REBOOTS, "ACCEPT_ANY_ANSWER", deep=True),
)
_WINDOW: Final = (
    Check("selective repeat, late frames", "window"),
    Check("go-back-N, late frames", "window", ("GO_BACK_N",)),
    Check("the smallest circle, in order", "window", ("CIRCLE=4", "DISPLACED=0")),
    Check("selective repeat, four moves", "window", ("MOVES=4",), deep=True),
    Check("go-back-N, four moves", "window", ("MOVES=4", "GO_BACK_N"), deep=True),
    Check(
        "a window of four",
        "window",
        ("CIRCLE=16", "WINDOW=4", "DISPLACED=7", "CAPACITY=4", "CREDIT=4", "FRAMES=18"),
        deep=True,
    ),
)
_WINDOW_BUGS: Final = (
    Check("a window of three", "window", ("CIRCLE=4", "DISPLACED=0"), "WINDOW_PLUS_ONE"),
    Check("credit of one, ignored", "window", ("CREDIT=1",), "IGNORES_CREDIT"),
    Check("any number taken as the next", "window", (), "TAKES_ANY"),
    Check("an ACK beyond what is under way", "window", (), "ACK_BEYOND"),
    Check("nobody asks for lost credit", "window", (), "NO_PING"),
    Check("ACKs late by frames of their own way", "window", (), "DISPLACED_FRAMES"),
)
CHECKS: Final = (*_HANDSHAKE, *_HANDSHAKE_BUGS, *_WINDOW, *_WINDOW_BUGS)
EVERY_DAY: Final = tuple(check for check in CHECKS if not check.deep)
