"""Bugs in the C library."""

from __future__ import annotations

from typing import Final

from tests.mutants.planting import Mutant

_C: Final = "firmware-sim/src/"
_CATCHERS: Final = (
    "sim:py-c",
    "tests/firmware/test_lockstep.py tests/firmware/test_board.py",
    "tests/firmware/test_build.py",
)
_FRAMES: Final = ("tests/firmware/test_frames.py", *_CATCHERS)
_FOR_OPENING: Final = ("tests/firmware/test_opening.py", *_CATCHERS)
_PROMISES: Final = ("tests/mutants/test_core_promises.py", *_CATCHERS)
_FOR_RING: Final = ("tests/firmware/test_ring.py", *_CATCHERS)
_BETWEEN_BOARDS: Final = (*_PROMISES, "sim:c-c")

FIRMWARE_BUGS: Final = (
    Mutant(
        "c-ready-without-confirm",
        "HS-5",
        _C + "handshake.c",
        " && peer->confirm == ipfi_u32_at(content + 4);",
        " && (peer->confirm == ipfi_u32_at(content + 4) || content[3] != 0);",
        _CATCHERS,
    ),
    Mutant(
        "c-floor-not-moved",
        "HS-2",
        _C + "handshake.c",
        "link->floor = after(link->pending.session);",
        "link->floor = link->pending.session;",
        _CATCHERS,
    ),
    Mutant(
        "c-bye-before-the-session-stands-not-heard",
        "HS-13",
        _C + "link.c",
        "} else if (content[0] == IPFI_BYE && length == 4) {",
        "} else if (content[0] == IPFI_BYE && length == 3) {",
        _FOR_OPENING,
    ),
    Mutant(
        "c-error-ends-with-its-first-part",
        "CALL-5",
        _C + "outcalls.c",
        "if (terminator == IPFI_NONE) { return; }",
        "if (false) { return; }",
        ("tests/firmware/test_board.py", *_CATCHERS),
    ),
    Mutant(
        "c-frames-of-any-session",
        "LINK-5",
        _C + "link.c",
        " || ipfi_u16_at(content + 1) != link->peer.session)) {",
        ")) {",
        _FOR_OPENING,
    ),
    Mutant(
        "c-window-plus-one",
        "LINK-6",
        _C + "sender.c",
        "link->in_flight >= least(ipfi_config_of(wire)->tx_window_length, link->peer.window)",
        "link->in_flight > link->peer.window",
        _BETWEEN_BOARDS,
    ),
    Mutant(
        "c-ack-beyond-the-window",
        "LINK-2",
        _C + "sender.c",
        "if (news > link->in_flight) { return; } /* stale, or nonsense */",
        "if (news > link->in_flight) { drop_front(wire, link->in_flight); return; }",
        _CATCHERS,
    ),
    Mutant(
        "c-receiver-wraps-at-255",
        "LINK-1",
        _C + "receiver.c",
        "        link->rx_sequence++;\n",
        "        link->rx_sequence = (uint8_t)((link->rx_sequence + 1) % 255);\n",
        _CATCHERS,
    ),
    Mutant(
        "c-doubled-frame-delivered",
        "LINK-4",
        _C + "receiver.c",
        "} else if (ahead != 0) { /* LINK-4 */",
        "} else if (ahead != 0 && ahead != 255) {",
        _PROMISES,
    ),
    Mutant(
        "c-credit-not-returned",
        "LINK-7",
        _C + "receiver.c",
        "    link->announced = link->received_offset + IPFI_CREDIT_AHEAD;\n",
        "    link->announced = IPFI_CREDIT_AHEAD;\n",
        _PROMISES,
    ),
    Mutant(
        "c-credit-ignored",
        "LINK-7",
        _C + "sender.c",
        "if (credit < size) { size = (uint16_t)credit; } /* LINK-7 */",
        "(void)credit;",
        _BETWEEN_BOARDS,
    ),
    Mutant(
        "c-missing-karn",
        "LINK-9",
        _C + "sender.c",
        "            clean = false;\n",
        "            clean = true;\n",
        _PROMISES,
    ),
    Mutant(
        "c-rto-never-doubled",
        "LINK-9",
        _C + "sender.c",
        "    if (link->backoff < DOUBLINGS_MAX) { link->backoff++; }\n",
        "",
        _PROMISES,
    ),
    Mutant(
        "c-ring-not-charged",
        "LINK-14",
        _C + "sender.c",
        "    link->handed += ipfi_link_finish(wire, &link->peer);\n    frame->left_ms",
        "    (void)ipfi_link_finish(wire, &link->peer);\n    frame->left_ms",
        _BETWEEN_BOARDS,
    ),
    Mutant(
        "c-repetition-behind-acks",
        "LINK-14",
        _C + "receiver.c",
        "    if (ipfi_sender_goes_first(wire)) { return false; }\n",
        "",
        _FOR_RING,
    ),
    Mutant(
        "c-echo-taken-for-a-repeated-ack",
        "LINK-10",
        _C + "link.c",
        "is_ack && !echoes, sack",
        "is_ack, sack",
        _FOR_RING,
    ),
    Mutant(
        "c-blocked-ends-ask-at-once",
        "LINK-15",
        _C + "sender.c",
        "if (!full && link->probe_shift == 0) {",
        "if (!full && !link->ping_out) {",
        _FOR_RING,
    ),
    Mutant(
        "c-ack-clears-what-waits",
        "LINK-14",
        _C + "ring.c",
        " && waits->taken != waits->length && ",
        " && waits->taken > waits->length && ",
        _FOR_RING,
    ),
    Mutant(
        "c-keepalive-forgotten",
        "LINK-12",
        _C + "link.c",
        "        link->want |= IPFI_WANT_PING;\n        link->ping_ms = link->now_ms;\n",
        "        link->ping_ms = link->now_ms;\n",
        _PROMISES,
    ),
    Mutant(
        "c-ready-answered-after-hello",
        "HS-5",
        _C + "handshake.c",
        "        wire->link.only_ready = false; /* HS-5",
        "        /* HS-5",
        ("tests/firmware/test_opening.py", "sim"),
    ),
    Mutant(
        "c-ping-once-a-keepalive",
        "LINK-12",
        _C + "link.c",
        "link->ping_ms + ipfi_later_of(interval_ms / 8u, ipfi_sender_rto_ms(wire))",
        "link->ping_ms + interval_ms",
        ("tests/firmware/test_long_times.py", "sim"),
    ),
    Mutant(
        "c-patience-forgotten",
        "LINK-13",
        _C + "link.c",
        "        ipfi_link_lose(wire, IPFI_DOWN_PATIENCE, true); /* LINK-13 */\n",
        "        link->heard_ms = link->now_ms;\n",
        _PROMISES,
    ),
    Mutant(
        "c-crc-not-checked",
        "FRAME-5",
        _C + "frame.c",
        "content, length) != IPFI_CRC16_RESIDUE",
        "content, length) == 0",
        _FRAMES,
    ),
    Mutant(
        "c-cancel-forgotten",
        "CALL-8",
        _C + "calls.c",
        "if (call->stage != SENDING || call->asked) { /* CALL-8;",
        "if (call->stage == SENDING && !call->asked) { /* CALL-8;",
        _CATCHERS,
    ),
)
