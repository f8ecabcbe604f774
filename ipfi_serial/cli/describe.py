"""``ipfi describe``: what the other end offers, as a table."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from typing import Final

from ipfi_serial import Entry, EntryKind
from ipfi_serial.cli.failures import ExitCode
from ipfi_serial.cli.options import Arguments, add_wire, open_wire
from ipfi_serial.cli.screen import Screen, harmless

SUMMARY: Final = "list the procedures and events of a board"
KINDS: Final = {
    EntryKind.UNARY: "",
    EntryKind.STREAMING: "stream",
    EntryKind.RAW: "raw",
    EntryKind.EVENT_HANDLED: "handled",
    EntryKind.EVENT_EMITTED: "emitted",
    EntryKind.EVENT_BOTH: "both ways",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_wire(parser)


def run(options: Arguments, screen: Screen) -> int:
    """Ask, and show the answer."""
    with open_wire(options) as wire:
        entries = wire.describe()
        endpoint = wire.endpoint
    screen.object({"endpoint": endpoint, "entries": [_as_object(entry) for entry in entries]})
    for title, events in (("procedures", False), ("events", True)):
        some = [entry for entry in entries if entry.kind.is_event is events]
        if some:
            screen.line(screen.styled(title, "bold"))
            _show_table(screen, some)
    if not entries:
        screen.line(f"{endpoint} does not describe itself: call its procedures by index")
    return ExitCode.OK


def _as_object(entry: Entry) -> dict[str, object]:
    return {
        "index": entry.index,
        "kind": entry.kind.name.lower(),
        "name": entry.name,
        "signature": entry.signature,
        "doc": entry.doc,
    }


def _show_table(screen: Screen, entries: Sequence[Entry]) -> None:
    """Show one entry a line; their texts go below if they do not all fit the terminal."""
    width = shutil.get_terminal_size().columns if screen.is_terminal else 10_000
    calls = [harmless(f"{entry.name}{entry.signature}") for entry in entries]
    kinds = [KINDS[entry.kind] for entry in entries]
    docs = [harmless(entry.doc) for entry in entries]
    call_width, kind_width = max(map(len, calls)), max(map(len, kinds))
    fits = 5 + 2 + call_width + 2 + kind_width + 2 + max(map(len, docs)) <= width
    for entry, call, kind, doc in zip(entries, calls, kinds, docs, strict=True):
        padded = call.replace(entry.name, screen.styled(entry.name, "cyan"), 1)
        padded += " " * (call_width - len(call))
        head = f"{entry.index:>5}  {padded}  {kind:<{kind_width}}"
        if fits:
            screen.line(f"{head}  {screen.styled(doc, 'dim')}".rstrip())
        else:
            screen.line(head.rstrip())
            screen.line(f"{'':9}{screen.styled(doc, 'dim')}".rstrip())
