"""Builds the optional compiled wheel: ``IPFI_COMPILE=1 pip install .``.

Without that variable the wheel is pure Python, which is the reference.  With it mypyc turns the
modules on the path of a call into extension modules, which lie beside their sources in the wheel;
a compiler that fails ends the build.  docs/decisions/compiled-wheels.md says why.

The same file is the program that compiles: ``python -P hatch_build.py <place> <module> ...``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "IPFI_COMPILE"
OFF: Final = ("", "0")
PACKAGE: Final = "ipfi_serial"
TOOLS: Final = ("mypy[mypyc]>=1.13", "setuptools>=65")
LAYERS: Final = ("framing", "link", "codec", "engine", "pump", "sync", "aio")
ALONE: Final = (  # of other layers
    "workers.py",
    "transport/descriptor.py",
    "transport/async_descriptor.py",
    "transport/virtual.py",  # has subclasses of these two
)

_COMPILER: Final = (  # what setuptools and mypy read from the environment
    *("CC", "CXX", "CPP", "LDSHARED", "AR", "ARFLAGS", "CFLAGS", "CPPFLAGS", "LDFLAGS"),
    *("ARCHFLAGS", "MACOSX_DEPLOYMENT_TARGET", "MYPYPATH"),
)
_KEPT_S: Final = 86400.0  # a day; longer than any build that could still read them

# Every module of LAYERS is compiled, and those ALONE, but these are not:
_STRUCT: Final = "its msgspec Structs would lose frozen, gc and eq: mypyc drops class keywords"
_WEAK: Final = "a weak reference to a compiled object outlives it, and points to nothing"
_ONCE: Final = "runs once for a connection, a procedure or a description"
INTERPRETED: Final = {
    "codec/kinds.py": _STRUCT,
    "codec/refusals.py": "its exceptions would have no dictionary, and could not be copied",
    "codec/travel.py": "Python's limit of nested calls tells of a value that contains itself",
    "engine/news.py": _STRUCT,
    "engine/setup.py": "says what is wrong with settings; compiled, TypeError would come first",
    "engine/interface.py": "says what is wrong with a declaration; compiled, TypeError comes first",
    "link/control.py": "a subclass of deque: compiled ones crash",
    "engine/subscriptions.py": "a subclass of tuple, which a compiled class cannot have as base",
    "framing/bytewise.py": "the simple decoder that the tests hold the compiled one against",
    "sync/notifications.py": "callbacks of events; no call waits for them",
    "sync/readers.py": _WEAK,
    "aio/readers.py": _WEAK,
    "aio/notifications.py": "callbacks of events; no call waits for them",
    "aio/serving.py": "async generators, which mypyc does not compile",
    "codec/manifest.py": _ONCE,
    "codec/names.py": _ONCE,
    "codec/records.py": _ONCE,
    "codec/twins.py": _ONCE,
    "sync/opening.py": _ONCE,
    "sync/server.py": _ONCE,
    "sync/waits.py": "only waits: nothing in it is quick",
    "aio/opening.py": _ONCE,
    "aio/server.py": _ONCE,
}


def compiled_modules(root: Path) -> list[str]:
    """Return the source files that are compiled, relative to ``root``."""
    package = root / PACKAGE
    found = {
        path.relative_to(package).as_posix()
        for layer in LAYERS
        for path in (package / layer).glob("*.py")
        if path.name != "__init__.py"
    }
    unknown = INTERPRETED.keys() - found
    unknown.update(name for name in ALONE if not (package / name).is_file())
    if unknown:
        raise ValueError(f"hatch_build.py names what does not exist: {sorted(unknown)}")
    found.update(ALONE)
    return sorted(f"{PACKAGE}/{name}" for name in found - INTERPRETED.keys())


def extension_modules(modules: list[str]) -> list[str]:
    """Return what compiling these makes: one file each, and one that holds all of their code."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    stems = [name.removesuffix(".py") for name in modules]
    return [f"{stem}{suffix}" for stem in (*stems, f"{PACKAGE}__mypyc")]


def digest(root: Path) -> str:
    """Return a hash of all that decides what the extension modules become.

    That is every module, for types come from all of them; Python, its name for extension modules,
    and the packages here: mypy, setuptools and those whose types are imported; the C compiler's
    settings.
    """
    parts = [sys.version, sysconfig.get_platform(), str(sysconfig.get_config_var("EXT_SUFFIX"))]
    parts += sorted({f"{one.name}=={one.version}" for one in distributions()})
    parts += [f"{name}={os.environ.get(name, '')}" for name in _COMPILER]
    for source in sorted((root / PACKAGE).rglob("*.py")):  # this file as well
        parts += [source.relative_to(root).as_posix(), source.read_text(encoding="utf-8")]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def compile_into(place: Path, modules: list[str]) -> None:
    """Compile with mypyc; all that it writes lands below ``place``."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    # not pyproject's: strictness is for tests/run, and optional packages may be missing here
    options = ["--config-file=", "--ignore-missing-imports", "--explicit-package-bases"]
    options.append(f"--cache-dir={place / 'mypy'}")  # .mypy_cache is that of the strict run
    extensions = mypycify(
        [*options, *modules],
        group_name=PACKAGE,
        opt_level="2",
        debug_level="0",
        target_dir=str(place / "c"),
    )
    build = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
    build.build_lib, build.build_temp = str(place / "lib"), str(place / "o")
    build.ensure_finalized()
    build.run()


def made(root: Path, modules: list[str], names: list[str]) -> Path | None:
    """Return the folder that has these extension modules, compiled now if it has not all of them.

    Its name tells what they are made of.  A file comes into it only when all are compiled, so
    builds may run at once, and one that was ended leaves nothing that would be trusted.

    Returns:
        None if compiling failed; what failed was printed.
    """
    above = root / "build" / "compiled" / sysconfig.get_platform()
    place = above / digest(root)[:16]
    if not all((place / name).is_file() for name in names):  # pip asks for one wheel twice
        above.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=above, prefix="making-") as scratch:
            words = [sys.executable, "-P", __file__, scratch, *modules]
            if subprocess.run(words, cwd=root, check=False).returncode != 0:  # noqa: S603
                return None
            for name in names:
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(scratch) / "lib" / name).replace(place / name)
    os.utime(place)
    for other in above.iterdir():  # of older sources, or of a build that was killed
        with suppress(FileNotFoundError):  # another build cleans up as well
            if other.stat().st_mtime < time.time() - _KEPT_S:
                shutil.rmtree(other, ignore_errors=True)
    return place


def wants_compiled() -> bool:
    """Return whether the environment asks for the compiled wheel."""
    return os.environ.get(VARIABLE, "") not in OFF


if __name__ == "__main__":
    compile_into(Path(sys.argv[1]), sys.argv[2:])
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class CompileHook(BuildHookInterface[Any]):
        """Adds extension modules beside the sources, which stay in the wheel."""

        def dependencies(self) -> list[str]:
            """Return what compiling needs: nothing for a pure wheel, whose build stays quick.

            The types of what the package imports decide what its own code becomes.
            """
            return [*TOOLS, *self.metadata.core.dependencies] if wants_compiled() else []

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile if that was asked for; stop the build if it cannot be done."""
            if not wants_compiled() or self.target_name != "wheel":
                return
            if version == "editable":
                self.app.abort(f"an editable install is always pure Python: unset {VARIABLE}")
            root = Path(self.root)
            modules = compiled_modules(root)
            names = extension_modules(modules)
            place = made(root, modules, names)
            if place is None:
                self.app.abort(
                    f"{VARIABLE} is set, but compiling failed (see above): install a C "
                    f"compiler and Python's headers, or unset {VARIABLE} for the pure wheel"
                )
                return
            for name in names:
                build_data["force_include"][str(place / name)] = name
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
