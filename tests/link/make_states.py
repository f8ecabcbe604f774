"""Writes docs/states.md from the table of states: ``python -m tests.link.make_states``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ipfi_serial.link.states import TRANSITIONS, LinkInput, LinkState

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "states.md"

STATES: Final = {
    LinkState.CLOSED: "not opened yet, or closed for good",
    LinkState.LISTENING: "waits for the other end's HELLO; has said its own once (HS-11)",
    LinkState.CONNECTING: "sends HELLO until it is answered (HS-1)",
    LinkState.UNCONFIRMED: "took a HELLO_ACK and sends READY (HS-4, HS-6)",
    LinkState.ESTABLISHED: "the stream flows both ways (section 3.4)",
}
INPUTS: Final = {
    LinkInput.OPEN: "the program opens, and this end is active",
    LinkInput.LISTEN: "the program opens, and this end waits",
    LinkInput.HELLO_ACKED: "a HELLO_ACK to the current attempt came (HS-4)",
    LinkInput.CONFIRMED: "the echo of our READY came (HS-6)",
    LinkInput.PEER_READY: "READY for the pending session came (HS-5)",
    LinkInput.LOST_ACTIVE: "READY stayed unanswered (HS-6), BYE came (HS-13), patience is spent "
    "(LINK-13) or the stream is corrupted (MSG-6); this end is active (LINK-19)",
    LinkInput.LOST_PASSIVE: "the same; this end waits",
    LinkInput.CLOSE: "the program closes, the other end refuses (HS-10) or says goodbye (HS-13), "
    "or the line echoes (HS-9)",
}


def document() -> str:
    """Return the text of docs/states.md."""
    lines = [
        "# States of a link",
        "",
        "Generated from `ipfi_serial/link/states.py` by `python -m tests.link.make_states`;",
        "a test compares. Section 3.3 of [the protocol](protocol.md) says what is sent and when.",
        "A pair that is not in the table is illegal.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> CLOSED",
    ]
    lines += [
        f"    {before.name} --> {after.name}: {happened.name}"
        for (before, happened), after in TRANSITIONS.items()
    ]
    lines += ["```", "", "| state | meaning |", "|---|---|"]
    lines += [f"| {state.name} | {meaning} |" for state, meaning in STATES.items()]
    lines += ["", "| input | meaning |", "|---|---|"]
    lines += [f"| {happened.name} | {meaning} |" for happened, meaning in INPUTS.items()]
    names = [state.name for state in LinkState]
    lines += ["", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for happened in LinkInput:
        nexts = [TRANSITIONS.get((state, happened)) for state in LinkState]
        cells = [after.name if after is not None else "" for after in nexts]
        lines.append(f"| {happened.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
