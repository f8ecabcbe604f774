"""``python -m tests.morse``: the long survey; writes its table and its plot into the documents.

python -m tests.morse [FRAMES]     10,000 frames for each setting; about a quarter of an hour
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.morse.plot import plot
from tests.morse.survey import GLITCHES, JITTERS, Outcome, Setting, settings, survey

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PLOT = DOCS / "morse.md", DOCS / "morse-fer.svg"
BEGIN, END = "<!-- survey: written by python -m tests.morse -->\n", "<!-- end of the survey -->\n"


def main(frames: int) -> int:
    """Run every setting; fail if a wrong frame was ever delivered under CRC-32."""
    done: dict[Setting, Outcome] = {}
    for seed, setting in enumerate(settings()):
        outcome = done[setting] = survey(setting, frames, seed)
        print(  # noqa: T201 a command
            f"{setting.alphabet:8} clock {setting.clock} jitter {setting.jitter:.2f} "
            f"glitches {setting.glitches:.3f} crc {setting.crc}: "
            f"{1 - outcome.good / outcome.sent:.4f} failed, {outcome.wrong} wrong, "
            f"{outcome.edges / outcome.decoder_s:,.0f} edges/s",
            flush=True,
        )
    write(done, frames)
    wrong = sum(o.wrong for s, o in done.items() if s.crc == 32)
    return 1 if wrong else 0


def write(done: dict[Setting, Outcome], frames: int) -> None:
    """Put the table into the page, and draw the plot."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(head + BEGIN + table(done, frames) + END + tail, encoding="utf-8")
    curves = {}
    for glitches in GLITCHES:
        for name in ("compact", "itu"):
            label = f"{name}, glitches" if glitches else name
            curves[label] = [(j, failed(done, name, j, glitches)) for j in JITTERS]
    PLOT.write_text(plot(curves, 3 * frames), encoding="utf-8")


def failed(done: dict[Setting, Outcome], name: str, jitter: float, glitches: float) -> float:
    """Part of the frames that failed, over all clocks."""
    found = [
        o
        for s, o in done.items()
        if (s.alphabet, s.jitter, s.glitches, s.crc) == (name, jitter, glitches, 32)
    ]
    return 1 - sum(o.good for o in found) / sum(o.sent for o in found)


def table(done: dict[Setting, Outcome], frames: int) -> str:
    """Return the table in Markdown, with what it was made of."""
    columns = " | ".join(f"jitter {j:.2f}" for j in JITTERS)
    lines = [
        f"{frames:,} frames of 24 bytes a setting, drifting by 20 %; failed ones in percent.\n",
        f"| alphabet | clock | glitches | {columns} | wrong |",
        "|---|---|---|" + "---|" * (len(JITTERS) + 1),
    ]
    rows = dict.fromkeys((s.alphabet, s.clock, s.glitches) for s in done if s.crc == 32)
    for name, clock, glitches in rows:
        found = [
            o
            for s, o in done.items()
            if (s.alphabet, s.clock, s.glitches, s.crc) == (name, clock, glitches, 32)
        ]
        cells = [f"{100 * (1 - o.good / o.sent):.2f}" for o in found]
        often = "one in 500 units" if glitches else "none"
        wrong = sum(o.wrong for o in found)
        lines.append(f"| {name} | {clock:.1f} | {often} | " + " | ".join(cells) + f" | {wrong} |")
    total = [o for s, o in done.items() if s.crc == 32]
    short = [o for s, o in done.items() if s.crc == 16]
    judged, wrong16 = sum(o.judged for o in short), sum(o.wrong for o in short)
    bad = sum(o.judged for o in total)
    wrong32 = sum(o.wrong for o in total)
    lines.append("")
    lines.append(
        f"With CRC-32: {sum(o.sent for o in total):,} frames, {bad:,} judged bad by their CRC, "
        f"{wrong32} wrong ones delivered. With CRC-16, the slow clock and the three worst jitters: "
        f"{sum(o.sent for o in short):,} frames, {judged:,} judged bad, {wrong16} wrong ones "
        f"delivered; arithmetic predicts {judged / 65536:.2f}.\n"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
