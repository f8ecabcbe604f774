"""The process in which atheris tries inputs on a Python function.

    python -m tests.fuzz.instrumented MODULE LIBFUZZER_OPTION... CORPUS...

Imports nothing of the package before atheris can instrument it; prints libFuzzer's lines.
"""

from __future__ import annotations

import importlib
import sys

import atheris

if __name__ == "__main__":
    with atheris.instrument_imports(include=["ipfi_serial"]):
        target = importlib.import_module(sys.argv[1]).one_input
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()
