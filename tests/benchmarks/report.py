"""Results as a JSON file, and from it a table and a picture for docs/performance.md."""

from __future__ import annotations

import datetime as dt
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import EVERYBODY

ROOT: Final = Path(__file__).parent.parent.parent
RESULTS: Final = Path(__file__).parent / "results.json"
PAGE: Final = ROOT / "docs" / "performance.md"
PICTURE: Final = ROOT / "docs" / "performance.svg"
BEGIN: Final = "<!-- results: written by python -m tests.benchmarks --write; do not edit -->\n"
END: Final = "<!-- end of results -->\n"
COLUMNS: Final = (
    "add p50",
    "add CPU",
    "add in flight",
    "add in flight, CPU",
    "1 KiB p50",
    "1 KiB CPU",
    "client memory",
)
UNITS: Final = ("us", "us", "/s", "us", "us", "us", "MiB")
BAR_PX: Final = 420
ROW_PX: Final = 22
LABEL_PX: Final = 270


def write(results: Mapping[str, Sequence[Figure]]) -> None:
    """Store results beside those of other groups, and renew the page and the picture."""
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"groups": {}}
    kept["machine"] = machine()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for name, figures in results.items():
        kept["groups"][name] = {"date": today, "figures": [f.as_dict() for f in figures]}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(renewed(PAGE.read_text(), section(kept)))
    PICTURE.write_text(picture(kept))


def machine() -> str:
    """Describe the machine in a line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    linux, python = platform.release(), platform.python_version()
    return f"{cores} cores of {model}, Linux {linux}, CPython {python}"


def renewed(page: str, text: str) -> str:
    """Return the page with the section between the markers replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{text}{END}{after}"


def section(kept: Mapping[str, Any]) -> str:
    """Return what stands between the markers."""
    lines = [f"\nMachine: {kept['machine']}.\n"]
    for name, group in kept["groups"].items():
        figures = group["figures"]
        lines.append(f"\n### {name} ({group['date']})\n\n")
        if name == "calls":
            lines += _side_by_side(figures)
            figures = [f for f in figures if f["target"]]
        lines.append("| figure | value | least to most | target | |\n|---|---|---|---|---|\n")
        lines += [_row(f) for f in figures]
        lines += [f"\n{f['name']}: {f['note']}.\n" for f in figures if f["note"]]
    return "".join(lines) + "\n"


def _row(figure: Mapping[str, Any]) -> str:
    value, spread = figure["value"], figure["spread"]
    between = f"{_number(spread[0])} to {_number(spread[1])}" if spread else ""
    mark = "" if not figure["target"] else "met" if figure["ok"] else "**missed**"
    if value is None:
        mark = "**not measured**"
    shown = "-" if value is None else f"{_number(value)} {figure['unit']}".strip()
    return f"| {figure['name']} | {shown} | {between} | {figure['target']} | {mark} |\n"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _cells(figures: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any] | None]:
    by_name = {figure["name"]: figure for figure in figures}
    return [by_name.get(f"{name}: {column}") for column in COLUMNS]


def _side_by_side(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row for each candidate."""
    heads = " | ".join(f"{c}, {u}" for c, u in zip(COLUMNS, UNITS, strict=True))
    lines = [f"| | medium | {heads} |\n|---|---|" + "---|" * len(COLUMNS) + "\n"]
    notes = []
    for peer in EVERYBODY:
        cells = _cells(figures, peer.name)
        shown = ["-" if c is None or c["value"] is None else _number(c["value"]) for c in cells]
        lines.append(f"| {peer.name} | {peer.medium} | {' | '.join(shown)} |\n")
        if all(cell == "-" for cell in shown):
            notes += [f"\nNot measured: {cells[0]['note']}.\n" if cells[0] else ""]
    return [*lines, *notes, "\n"]


def picture(kept: Mapping[str, Any]) -> str:
    """Return an SVG: the CPU time that one add costs both ends."""
    figures = kept["groups"].get("calls", {"figures": []})["figures"]
    rows: list[tuple[str, float]] = []
    for peer in EVERYBODY:
        cell = _cells(figures, peer.name)[1]
        if cell is not None and cell["value"] is not None:
            rows.append((peer.name, cell["value"]))
    most = max((value for _, value in rows), default=1.0)
    height = ROW_PX * (len(rows) + 2)
    width = LABEL_PX + BAR_PX + 90
    title = "CPU time of one add(a, b), both ends, in microseconds"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" ',
        'font-family="sans-serif" font-size="13">\n',
        f'<rect width="{width}" height="{height}" fill="white"/>\n',
        f'<text x="8" y="{ROW_PX - 6}" font-weight="bold">{title}</text>\n',
    ]
    for number, (name, value) in enumerate(rows, 1):
        y, bar_px = ROW_PX * number + 6, BAR_PX * value / most
        colour = "#2a6fb0" if name.startswith("ipfi") else "#b8bec6"
        bar = f'x="{LABEL_PX}" y="{y}" width="{bar_px:.1f}" height="16" fill="{colour}"'
        text = f'x="{LABEL_PX + bar_px + 6:.1f}" y="{y + 14}"'
        parts.append(f'<text x="8" y="{y + 14}">{name}</text><rect {bar}/>')
        parts.append(f"<text {text}>{value:.0f}</text>\n")
    return "".join(parts) + "</svg>\n"
