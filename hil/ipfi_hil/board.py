"""Reads a board file (``boards/*.toml``) into what is known of one target.

It never starts anything.  A board file has the keys of :class:`Board`; docs/hil.md explains them.
"""

from __future__ import annotations

import difflib
import importlib.util
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ipfi_serial.errors import ConfigError

SETTINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "native": ("build", "program", "reset_signal", "small"),
        "python": (),
        "morse": ("options", "clock", "jitter"),
        "qemu": ("program", "machine", "product"),
        "simavr": ("product", "runner"),
        "unicorn": ("product",),
        "serial": ("port", "baud", "build", "flash", "reset", "reset_command", "boot_s",
                   "unplug_command", "replug_command"),
    }
)  # fmt: skip
"""What the table ``[settings]`` of each kind may have."""

KINDS: Final = tuple(SETTINGS)
"""How a target is started; each is a module of :mod:`ipfi_hil.targets`."""

FEATURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unplug": "its port can be made to vanish and to come back",
        "reset": "it can be reset from outside",
        "reboot": "its firmware restarts itself when it is asked to (procedure 10)",
        "text": "its firmware prints between frames (procedure 11)",
        "blob": "it makes an answer that is larger than its memory (procedure 5)",
        "reverse": "it has a raw procedure (4)",
        "sleep": "it answers some calls later than others (procedure 7)",
        "i64": "it calculates with 64 bits (procedure 6)",
        "callback": "it calls procedures of the host (procedure 8)",
        "tick": "it emits events with a period (procedure 9, event 32)",
        "led": "it has a lamp that an event switches (event 33, procedure 12)",
        "lossy": "it takes lossy events",
        "describe": "it describes itself",
        "several-calls": "it serves at least two calls at once",
        "refuse-version": "it answers another protocol version with REFUSE",
    }
)
"""What a board file may excuse its target from, in its table ``[cannot]``."""

KEYS: Final = frozenset(
    {
        "kind",
        "title",
        "summary",
        "needs",
        "needs_python",
        "pace",
        "data_share",
        "argument_bytes",
        "settings",
        "cannot",
    }
)
_WORDS: Final = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
                 list: "a list"}  # fmt: skip
_SLOWEST: Final = 100.0
_ANNOUNCED_UNIT: Final = 256  # of max_message in HELLO (docs/protocol.md 3.2)


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a target cannot do, each with its reason, and how slow it is.

    Attributes:
        cannot: a key of :data:`FEATURES` -> the reason, as a sentence.
        pace: how many times as long as the native board's a time-out of a test should be.
        argument_bytes: how many bytes of arguments it takes; HELLO cannot say less than 256.
        data_share: what part of the usual amount of data tests send to it: a slow line's is small.
    """

    cannot: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pace: float = 1.0
    argument_bytes: int = _ANNOUNCED_UNIT
    data_share: float = 1.0

    def why_not(self, feature: str) -> str | None:
        """Return why the target cannot do this, or None if it can.

        Raises:
            ConfigError: there is no such feature.
        """
        if feature not in FEATURES:
            raise ConfigError(f"no feature {feature!r}; there are {', '.join(FEATURES)}")
        return self.cannot.get(feature)


@dataclass(frozen=True, slots=True)
class Board:
    """What a board file says.

    Attributes:
        name: of the target; the file's name without ``.toml``.
        kind: one of :data:`KINDS`.
        title: one line for people.
        summary: what it is good for, and how it is built.
        needs: program -> the Debian package that has it.
        needs_python: module -> the package that pip installs.
        settings: what the kind's module reads; paths in it are relative to :attr:`folder`.
        quirks: what it cannot do.
        folder: where the file is.
    """

    name: str
    kind: str
    title: str
    summary: str = ""
    needs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    needs_python: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    quirks: Quirks = field(default_factory=Quirks)
    folder: Path = field(default_factory=Path)

    def why_unavailable(self) -> str | None:
        """Return which tools are missing on this machine and how to get them, or None."""
        missing = [
            f"{command} is not installed (apt install {package})"
            for command, package in self.needs.items()
            if shutil.which(command) is None
        ]
        missing += [
            f"the Python module {module} is not installed (pip install {package})"
            for module, package in self.needs_python.items()
            if importlib.util.find_spec(module) is None
        ]
        return "; ".join(missing) or None

    def setting(
        self,
        name: str,
        kind: type[Any] | tuple[type[Any], ...],
        default: Any = None,  # noqa: ANN401 - a value of TOML
    ) -> Any:  # noqa: ANN401
        """Return one of :attr:`settings`.

        Raises:
            ConfigError: it is of another type, or it is missing and there is no default.
        """
        value = self.settings.get(name, default)
        if value is None:
            raise ConfigError(f"board {self.name}: [settings] lacks {name!r}")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            wanted = " or ".join(_WORDS.get(each, each.__name__) for each in kinds)
            raise ConfigError(
                f"board {self.name}: settings.{name} is {value!r}; it must be {wanted}"
            )
        return value


def shipped_boards() -> Path:
    """Return the folder of the board files: of the wheel, or of the clone around an editable one.

    Raises:
        ConfigError: it is nowhere.
    """
    package = Path(__file__).resolve().parent
    for place in (package / "boards", package.parent / "boards"):
        if place.is_dir():
            return place
    raise ConfigError(f"the board files are missing: there is no folder {package / 'boards'}")


def load_board(path: Path) -> Board:
    """Read one board file.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong; says what.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(_why_unreadable(path, error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML, and a board file is: {error}") from error
    if unknown := sorted(data.keys() - KEYS):
        known = ", ".join(sorted(KEYS))
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; there are {known}")
    kind = data.get("kind")
    if kind not in KINDS:
        raise ConfigError(f"{path}: kind is {kind!r}; it is one of {', '.join(KINDS)}")
    return Board(
        name=path.stem,
        kind=kind,
        title=_text(path, data, "title"),
        summary=_text(path, data, "summary"),
        needs=_texts(path, data, "needs"),
        needs_python=_texts(path, data, "needs_python"),
        settings=MappingProxyType(_settings(path, kind, data)),
        quirks=_quirks(path, data),
        folder=path.resolve().parent,
    )


def _why_unreadable(path: Path, error: OSError) -> str:
    """Return what is wrong with the path of a board file, and what to check."""
    if isinstance(error, FileNotFoundError):
        folder = path.absolute().parent
        others = ", ".join(sorted(each.name for each in folder.glob("*.toml")))
        there = f"it has {others}" if others else "no .toml file is there"
        if not folder.is_dir():
            there = "there is no such folder"
        return f"no board file {path.name!r} in {folder}: {there}"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder: give the board file in it (.toml)"
    return f"the board file {path} cannot be read: {error.strerror}"


def _settings(path: Path, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return what the kind's module reads; a typo in it would test another firmware, or none."""
    settings = _table(path, data, "settings")
    known = SETTINGS[kind]
    if unknown := sorted(settings.keys() - set(known)):
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
        raise ConfigError(f"{path}: [settings] of kind {kind!r} has {unknown[0]!r}; {hint}")
    if "build" in settings and kind == "native" and "program" not in settings:
        raise ConfigError(f"{path}: [settings] has a build and no program: what does it build?")
    return settings


def _quirks(path: Path, data: dict[str, Any]) -> Quirks:
    cannot = _texts(path, data, "cannot")
    for feature, reason in cannot.items():
        if feature not in FEATURES:
            raise ConfigError(f"{path}: [cannot] has {feature!r}; there are {', '.join(FEATURES)}")
        if not reason.strip():
            raise ConfigError(f"{path}: cannot.{feature} gives no reason")
    pace = data.get("pace", 1.0)
    if isinstance(pace, bool) or not isinstance(pace, int | float) or not 1 <= pace <= _SLOWEST:
        raise ConfigError(f"{path}: pace is {pace!r}; it is a number from 1 to {_SLOWEST:.0f}")
    room = data.get("argument_bytes", _ANNOUNCED_UNIT)
    if isinstance(room, bool) or not isinstance(room, int) or not 0 < room <= _ANNOUNCED_UNIT:
        raise ConfigError(
            f"{path}: argument_bytes is {room!r}; it is a number up to {_ANNOUNCED_UNIT}, and "
            "needed only below that"
        )
    share = data.get("data_share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ConfigError(f"{path}: data_share is {share!r}; it is a number above 0, up to 1")
    return Quirks(cannot, float(pace), room, float(share))


def _text(path: Path, data: dict[str, Any], key: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise ConfigError(f"{path}: {key} is {value!r}; it must be text")
    return value.strip()


def _table(path: Path, data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {key} is {value!r}; it must be a table")
    return value


def _texts(path: Path, data: dict[str, Any], key: str) -> Mapping[str, str]:
    table = _table(path, data, key)
    for name, value in table.items():
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {key}.{name} is {value!r}; it must be text")
    return MappingProxyType(table)
