"""Every Python block of docs/guide/transports.md runs."""

from __future__ import annotations

import re
from pathlib import Path

from ipfi_serial.transport.endpoint import COMMON_OPTIONS, SERIAL_OPTIONS, URL_SCHEMES

_GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "transports.md"


def test_the_examples_of_the_guide_run_one_after_the_other() -> None:
    text = _GUIDE.read_text()
    namespace: dict[str, object] = {"__name__": "guide"}
    found = 0
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        line = text.count("\n", 0, block.start(1))
        code = compile("\n" * line + block[1], str(_GUIDE), "exec")
        exec(code, namespace)  # noqa: S102 our own document
        found += 1
    assert found == text.count("```") // 2 > 0


def test_the_guide_names_every_option_and_url() -> None:
    text = _GUIDE.read_text()
    for option in SERIAL_OPTIONS + COMMON_OPTIONS:
        assert f"`{option}" in text, option
    for scheme in URL_SCHEMES:
        assert f"`{scheme}://" in text, scheme
