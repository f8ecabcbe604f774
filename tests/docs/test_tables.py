"""Trees and tables in the documents say what the code says."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from typing import get_args

import ipfi_serial
from ipfi_serial import errors
from ipfi_serial.config import WireConfig
from ipfi_serial.errors import IpfiError
from ipfi_serial.transport.endpoint import (
    COMMON_OPTIONS,
    SERIAL_OPTIONS,
    URL_SCHEMES,
    Kind,
    parse_endpoint,
)
from tests.docs.pages import ROOT, blocks_of, table_under
from tests.docs.running import commands_of
from tests.test_layering import FILES, MAY_IMPORT, PURE, layer_of

GUIDE = ROOT / "docs" / "guide"
DESIGN = ROOT / "docs" / "design.md"


def parents_in(tree: str) -> dict[str, str | None]:
    """Return each class of a drawn tree with the one that it hangs on."""
    parents: dict[str, str | None] = {}
    open_branches: list[str] = []
    for line in tree.splitlines():
        found = re.match(r"(?P<branch>[ │├└─]*)(?P<name>\w+Error)\b", line)
        if found:
            depth = len(found["branch"]) // 4
            parents[found["name"]] = open_branches[depth - 1] if depth else None
            open_branches[depth:] = [found["name"]]
    return parents


def code_of(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_error_tree_in_the_guide_is_the_one_in_the_code() -> None:
    (drawn,) = [b.text for b in blocks_of(GUIDE / "errors.md") if b.language == "text"]
    in_code = {
        name: None if kind is IpfiError else kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, IpfiError)
    }
    assert parents_in(drawn) == in_code
    docstring = inspect.cleandoc(errors.__doc__ or "")
    lines = [line.strip() for line in docstring.splitlines() if "Error" in line]
    for line in drawn.splitlines():
        assert line.strip() in lines, line


def test_the_errors_of_the_tree_are_importable_and_may_be_caught_as_the_guide_says() -> None:
    (drawn,) = [b.text for b in blocks_of(GUIDE / "errors.md") if b.language == "text"]
    for name in parents_in(drawn):
        assert name in ipfi_serial.__all__
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.TransportError, OSError)
    assert issubclass(errors.ConnectTimeoutError, TimeoutError)
    assert issubclass(errors.CallTimeoutError, TimeoutError)


def test_the_guide_names_every_error_of_the_package() -> None:
    text = (GUIDE / "errors.md").read_text(encoding="utf-8")
    packages = ("codec", "engine", "framing", "link", "sim", "sync", "aio", "transport")
    for file in FILES:
        if file.relative_to(ROOT / "ipfi_serial").parts[0] in packages:
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    kinds = [IpfiError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = {kind.__name__ for kind in kinds if kind.__module__.startswith("ipfi_serial")}
    assert {name for name in ours if f"`{name}`" not in text and f"─ {name}" not in text} == set()


def test_the_endpoint_table_has_every_kind_and_the_link_that_the_parser_gives() -> None:
    kinds = set()
    for endpoints, _, link, _ in table_under(GUIDE / "endpoints.md", "Kinds"):
        for text in code_of(endpoints):
            endpoint = parse_endpoint(text)
            assert endpoint.link == link, text
            kinds.add(endpoint.kind)
    assert kinds == set(get_args(Kind))


def test_the_endpoint_guide_names_every_option_and_url_scheme() -> None:
    text = (GUIDE / "endpoints.md").read_text(encoding="utf-8")
    for option in SERIAL_OPTIONS + COMMON_OPTIONS:
        assert f"`{option}`" in text, option
    for scheme in URL_SCHEMES:
        assert f"`{scheme}://" in text, scheme


def test_the_table_of_limits_has_every_setting_with_its_default() -> None:
    written = {
        code_of(name)[0]: ast.literal_eval(default)
        for name, default, _ in table_under(GUIDE / "handlers.md", "Limits")
    }
    assert written == {field.name: field.default for field in dataclasses.fields(WireConfig)}


def test_the_table_of_callbacks_has_every_on_method_of_both_shells() -> None:
    written = {
        code_of(row[0])[0] for row in table_under(GUIDE / "handlers.md", "Callbacks of a wire")
    }
    for shell in ("sync", "aio"):
        connection = importlib.import_module(f"ipfi_serial.{shell}.connection").Connection
        assert {name for name in dir(connection) if name.startswith("on_")} == written


def test_the_readme_and_the_changes_name_the_same_version_of_the_protocol() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ipfi_serial.__version__ in changes
    assert "version 1, field `version` of HELLO" in changes


def test_the_import_rules_are_those_that_a_test_keeps() -> None:
    rows = table_under(DESIGN, "Who may import whom")
    written = {code_of(layer)[0]: set(code_of(imports)) for layer, imports, _ in rows}
    living = {layer_of(file) for file in FILES}
    rules = {layer: may & living for layer, may in MAY_IMPORT.items() if layer in living}
    assert written == rules
    assert {code_of(layer)[0] for layer, _, kind in rows if kind == "pure"} == PURE & living


def test_the_examples_of_the_protocol_are_messages() -> None:
    from ipfi_serial.codec.message import MessageDecoder, MessageKind, encode

    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    of_messages = text.partition("\n## 2. Framing")[0]
    examples = re.findall(r"`((?:[0-9a-f]{2} )+[0-9a-f]{2})`", of_messages)
    assert len(examples) >= 3
    for example in examples:
        data = bytes.fromhex(example)
        (message,) = MessageDecoder().feed(data)
        assert message.kind in (MessageKind.CALL, MessageKind.RESPONSE)
        assert encode(message) == data


def test_the_readme_gives_the_two_commands_that_set_everything_up() -> None:
    commands = [
        command
        for block in blocks_of(ROOT / "README.md")
        if block.language == "console"
        for command, _ in commands_of(block)
    ]
    setup = "python3 -m venv .venv && .venv/bin/python -m pip install . && .venv/bin/ipfi demo"
    assert [c for c in commands if c != "ipfi demo"] == [setup, "bash tests/run"]


def test_every_decision_says_what_was_decided_and_why() -> None:
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert text.startswith("# "), page.name
        if page.name != "crc16-complement.md":  # told as the story of a fault
            for part in ("**Context.**", "**Decision.**", "**Why"):
                assert part in text, f"{page.name}: {part}"
