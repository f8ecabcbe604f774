"""Lets what wraps a line whose speed follows its losses tell it of them: MORSE-15."""

from __future__ import annotations

from typing import Any


def pass_losses_on(wrapper: Any, inner: Any) -> None:  # noqa: ANN401 - of any shell
    """Give a wrapper ``note_losses`` if its line has it, and keep the wrapper's speed up to date.

    Args:
        wrapper: a transport around another one.
        inner: that one.
    """
    tell = getattr(inner, "note_losses", None)
    if tell is None:
        return

    def note_losses(frames: int, repeats: int) -> None:
        tell(frames, repeats)
        wrapper.bytes_per_s = inner.bytes_per_s

    wrapper.note_losses = note_losses
