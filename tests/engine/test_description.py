"""Self-description: what an end says of itself, and what the other makes of it (DESC-*)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ipfi_serial.codec.manifest import (
    Entry,
    EntryKind,
    decode_entry,
    encode_entry,
    fit_entry,
    schema_hash,
)
from ipfi_serial.config import WireConfig
from ipfi_serial.engine import directory as directory_module
from ipfi_serial.engine.directory import Directory, Target
from ipfi_serial.engine.interface import DESCRIBE_INDEX, Interface
from ipfi_serial.errors import (
    CallCancelledError,
    CallError,
    CallRefusedError,
    ConfigError,
    LocalProtocolError,
    RemoteProtocolError,
)
from tests.engine.lines import Pair
from tests.engine.wires import LED, End, assert_empty, interface

ENTRIES = [
    Entry(1, EntryKind.UNARY, "add"),
    Entry(2, EntryKind.RAW, "reverse"),
    Entry(3, EntryKind.EVENT_EMITTED, "tick"),
]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "_KNOWN", {})


def learned(*entries: Entry, schema: int = 7) -> Directory:
    """A directory that has asked."""
    directory = Directory(Interface(), framed=True)
    directory.session_opened(schema)
    directory.learn([encode_entry(entry) for entry in entries], schema)
    return directory


def entry_of(value: bytes) -> Entry:
    entry = decode_entry(value)
    assert entry is not None
    return entry


def described(end: End, pair: Pair) -> list[Entry]:
    """Ask for the other end's description."""
    call = end.stream(DESCRIBE_INDEX)
    pair.settle()
    assert end.value(call) is None
    return [entry_of(value) for value in end.values(call)]


# --- the end that describes itself ---


def test_an_end_describes_its_procedures_and_events_in_the_order_of_their_indices() -> None:
    pair = Pair()
    entries = described(pair.a, pair)
    assert entries == pair.b.wire._interface.entries
    assert [(e.index, e.name, e.kind) for e in entries] == [
        (1, "add", EntryKind.UNARY),
        (2, "echo", EntryKind.RAW),
        (3, "count", EntryKind.UNARY),
        (LED, "led", EntryKind.EVENT_HANDLED),
    ]
    assert_empty(pair.a, pair.b)


def test_an_end_without_procedures_has_an_empty_description_and_no_hash() -> None:
    pair = Pair(interface_b=Interface())
    assert pair.a.wire.peer_schema == 0
    assert described(pair.a, pair) == []


def test_the_hash_of_a_session_is_that_of_its_description() -> None:
    """DESC-3: also if the interface has grown since."""
    table = interface()
    pair = Pair(interface_b=table)
    before = list(table.entries)
    table.procedure(77, "late")(lambda: None)
    assert described(pair.a, pair) == before
    call = pair.a.start(77)
    pair.settle()
    assert pair.b.take_call().procedure == 77, "it can be called all the same"
    assert not pair.a.is_over(call)


def test_the_next_session_says_what_was_added() -> None:
    table = interface()
    pair = Pair(interface_b=table)
    old = pair.a.wire.peer_schema
    table.procedure(77, "late")(lambda: None)
    pair.a.wire.link.abort(RemoteProtocolError("again"), pair.now_s)
    pair.run(3)
    assert pair.a.wire.established
    assert pair.a.wire.peer_schema == table.schema != old
    assert described(pair.a, pair) == table.entries


def test_a_session_that_stands_already_keeps_its_description() -> None:
    table = interface()
    pair = Pair(interface_b=table)
    before = list(table.entries)
    old_b = pair.b
    table.procedure(77, "late")(lambda: None)
    replacement = Pair(opened=False).a
    replacement._now = pair.clock
    pair.a, pair.ends = replacement, (replacement, old_b)
    replacement.wire.open(pair.now_s)
    pair.run(until=lambda: replacement.wire.established and len(old_b.lost) == 1)
    assert replacement.wire.peer_schema == schema_hash(before)
    assert described(replacement, pair) == before


def test_a_description_that_is_larger_than_the_credit_waits_for_it() -> None:
    table = Interface()
    for index in range(300):
        table.procedure(index, f"procedure_{index}_{'x' * 900}")(lambda: None)
    pair = Pair(interface_b=table)
    call = pair.a.stream(DESCRIBE_INDEX)
    pair.settle()
    assert not pair.a.is_over(call)
    pair.a.wire.caller.consumed(call, sum(map(len, pair.a.values(call))))
    pair.settle()
    assert len(pair.a.values(call)) == 300
    assert_empty(pair.a, pair.b)


def test_a_plain_wire_does_not_describe_itself() -> None:
    pair = Pair(framed=False)
    call = pair.a.stream(DESCRIBE_INDEX)
    pair.settle()
    assert not pair.a.is_over(call)
    assert pair.b.faults == ["call of procedure 65535: there is no procedure 65535 here"]


# --- the end that asks ---


def test_a_name_is_asked_for_once_and_known_afterwards() -> None:
    directory = Directory(Interface(), framed=True)
    directory.session_opened(7)
    assert directory.procedure("add") is None
    assert directory.event("tick") is None
    directory.learn([encode_entry(entry) for entry in ENTRIES], 7)
    assert directory.procedure("add") == Target(1, name="add")
    assert directory.procedure("reverse") == Target(2, raw=True, name="reverse")
    assert directory.event("tick") == Target(3)


def test_a_description_is_known_by_its_hash_on_every_wire() -> None:
    learned(*ENTRIES, schema=7)
    other = Directory(Interface(), framed=True)
    other.session_opened(7)
    assert other.procedure("add") == Target(1, name="add")
    other.session_opened(8)
    assert other.procedure("add") is None, "another description"


def test_a_description_without_a_hash_is_used_and_not_kept() -> None:
    directory = learned(*ENTRIES, schema=0)
    assert directory.procedure("add") == Target(1, name="add")
    assert directory_module._KNOWN == {}
    directory.session_opened(0)
    with pytest.raises(CallRefusedError, match="it has none"):
        directory.procedure("add")


def test_known_descriptions_are_bounded_and_a_known_one_pushes_nobody_out() -> None:
    for schema in range(1, 300):
        learned(*ENTRIES, schema=schema)
    assert len(directory_module._KNOWN) == 256
    oldest = next(iter(directory_module._KNOWN))
    learned(*ENTRIES, schema=299)
    assert oldest in directory_module._KNOWN


def test_an_index_needs_no_description() -> None:
    directory = Directory(Interface(), framed=True)
    assert directory.procedure(5) == Target(5)
    assert directory.event(6) == Target(6)
    assert learned(*ENTRIES).procedure(2) == Target(2, raw=True)
    assert learned(*ENTRIES).procedure(1) == Target(1)


def test_a_wrong_name_gets_a_hint() -> None:
    directory = learned(*ENTRIES)
    with pytest.raises(
        CallRefusedError, match=r"no procedure 'ad'; did you mean 'add'\?"
    ) as caught:
        directory.procedure("ad")
    assert caught.value.reason == "unknown procedure"
    with pytest.raises(CallRefusedError, match="no procedure 'zzz'; it has add, reverse"):
        directory.procedure("zzz")
    with pytest.raises(CallRefusedError, match="no event 'zzz'; it has tick"):
        directory.event("zzz")


def test_declared_names_come_first() -> None:
    table = Interface()
    table.declare(9, "add")
    table.declare(8, "blob", raw=True)
    table.declare(7, "tick", event=True)
    table.emits(5, "ready")
    table.emits(6, "moved")
    for framed in (True, False):
        directory = Directory(table, framed=framed)
        assert directory.procedure("add") == Target(9, name="add")
        assert directory.procedure("blob") == Target(8, raw=True, name="blob")
        assert directory.procedure(8) == Target(8, raw=True)
        assert directory.event("tick") == Target(7)
        assert directory.event("moved") == Target(6)


def test_a_resolved_name_follows_a_new_declaration_and_a_new_description() -> None:
    table = Interface()
    directory = Directory(table, framed=True)
    directory.learn([encode_entry(entry) for entry in ENTRIES], 7)
    first = directory.procedure("add")
    assert first == Target(1, name="add")
    assert directory.procedure("add") is first, "looked up once"
    directory.learn([encode_entry(Entry(4, EntryKind.RAW, "add"))], 8)
    assert directory.procedure("add") == Target(4, raw=True, name="add")
    table.declare(9, "add")
    assert directory.procedure("add") == Target(9, name="add")
    table.declare(9, "add", raw=True)
    assert directory.procedure("add") == Target(9, raw=True, name="add")


def test_a_plain_wire_cannot_be_asked() -> None:
    directory = Directory(Interface(), framed=False)
    with pytest.raises(LocalProtocolError, match="procedure 'add' is not declared"):
        directory.procedure("add")
    with pytest.raises(LocalProtocolError, match="event 'tick' is not declared"):
        directory.event("tick")


def test_events_have_names_if_either_end_has_one_for_them() -> None:
    table = Interface()
    table.event(5, "ours")(lambda: None)
    directory = Directory(table, framed=True)
    assert directory.event_name(5) == "ours"
    assert directory.event_name(3) is None
    directory.learn([encode_entry(entry) for entry in ENTRIES], 7)
    assert directory.event_name(3) == "tick"
    assert directory.event_name(4) is None


def test_an_event_has_the_name_that_it_was_declared_by() -> None:
    table = Interface()
    table.declare(7, "tick", event=True)
    table.declare(8, "add")
    table.emits(6, "moved")
    table.procedure(9, "divide")(lambda: None)
    for framed in (True, False):
        directory = Directory(table, framed=framed)
        assert [directory.event_name(i) for i in (6, 7, 8, 9)] == ["moved", "tick", None, None]


@pytest.mark.parametrize("values", [[b"\xc0"], [encode_entry(ENTRIES[0])] * 2])
def test_a_wrong_description_is_the_other_ends_fault(values: list[bytes]) -> None:
    directory = Directory(Interface(), framed=True)
    with pytest.raises(RemoteProtocolError):
        directory.learn(values, 7)
    assert directory_module._KNOWN == {}


# --- the table ---


def test_a_generator_is_a_streaming_procedure_and_the_docstring_its_description() -> None:
    table = Interface()

    @table.procedure(1)
    def sequence(n: int) -> Iterator[str]:
        """Count.

        At length.
        """
        yield str(n)

    @table.procedure(2)
    async def later() -> None: ...

    @table.raw_procedure(3, "raw")
    def whatever(data: bytes) -> bytes:
        return data

    assert [(e.kind, e.name, e.signature, e.doc) for e in table.entries] == [
        (EntryKind.STREAMING, "sequence", "(n: int) -> Iterator[str]", "Count."),
        (EntryKind.UNARY, "later", "() -> None", ""),
        (EntryKind.RAW, "raw", "(data: bytes) -> bytes", ""),
    ]
    assert table.procedures[1].streams
    assert table.procedures[2].is_async
    assert table.procedures[3].raw
    assert table.description == [encode_entry(entry) for entry in table.entries]


@pytest.mark.parametrize("index", [-1, 1 << 64, 0xFFF0, 0xFFFF])
def test_an_index_out_of_range_or_reserved_is_refused(index: int) -> None:
    table = Interface()
    with pytest.raises(ConfigError, match=str(index)):
        table.procedure(index)(lambda: None)
    with pytest.raises(ConfigError, match=str(index)):
        table.emits(index, "x")
    assert not table.procedures
    assert not table.entries


@pytest.mark.parametrize("index", [0, 0xFFEF, 0x10000, (1 << 64) - 1])
def test_every_other_index_is_fine(index: int) -> None:
    table = Interface()
    table.procedure(index, "x")(lambda: None)
    assert table.entries[0].index == index


def test_procedures_and_events_share_their_indices_but_not_their_names() -> None:
    """DESC-1 and DESC-4."""
    table = Interface()
    table.procedure(1, "x")(lambda: None)
    for declare in (table.procedure, table.raw_procedure, table.event):
        with pytest.raises(ConfigError, match="index 1 is taken by 'x'"):
            declare(1, "y")(lambda: None)
    with pytest.raises(ConfigError, match="the name 'x' is taken by index 1"):
        table.procedure(2, "x")(lambda: None)
    table.event(2, "x")(lambda: None)
    with pytest.raises(ConfigError, match="the name 'x' is taken by index 2"):
        table.emits(3, "x")


def test_an_event_may_be_handled_and_emitted() -> None:
    for first in (True, False):
        table = Interface()
        if first:
            table.emits(1, "x")
        table.event(1, "x")(lambda: None)
        if not first:
            table.emits(1, "x")
        assert table.entries[0].kind is EntryKind.EVENT_BOTH
        with pytest.raises(ConfigError, match="taken"):
            table.emits(1, "x")


def test_a_declared_name_keeps_its_index() -> None:
    table = Interface()
    table.declare(1, "x")
    table.declare(1, "x", raw=True)
    with pytest.raises(ConfigError, match="'x' was declared as 1, it cannot be 2 too"):
        table.declare(2, "x")
    table.declare(2, "x", event=True)
    assert table.declared("x", event=False) == (1, EntryKind.RAW)
    assert table.declared("x", event=True) == (2, EntryKind.EVENT_HANDLED)
    assert table.declared("y", event=True) is None


@pytest.mark.parametrize("index", [True, 1.5, "5", None])
def test_an_index_that_is_no_whole_number_is_refused_before_there_is_a_function(index: Any) -> None:
    table = Interface()
    for declare in (table.procedure, table.raw_procedure, table.event):
        with pytest.raises(ConfigError, match="is no whole number"):
            declare(index)
    with pytest.raises(ConfigError, match="is no whole number"):
        table.emits(index, "x")
    with pytest.raises(ConfigError, match="is no whole number"):
        table.declare(index, "x")


@pytest.mark.parametrize("index", [-1, 1 << 64])
def test_no_name_is_declared_for_an_index_that_no_message_can_have(index: int) -> None:
    with pytest.raises(ConfigError, match=f"index {index} does not fit a message"):
        Interface().declare(index, "x")


def test_a_decorator_without_its_index_says_so() -> None:
    """Else it would take the function for the index, and nothing would be served."""
    table = Interface()
    for decorator in (table.procedure, table.raw_procedure, table.event):
        forgetful: Any = decorator
        with pytest.raises(ConfigError, match=r"is no index: write the decorator with one"):
            forgetful(lambda: None)
    assert not table.entries


# --- entries that are too long for the other end ---


@pytest.mark.parametrize("limit", [256, 300, 319, 320, 321, None])
def test_a_long_entry_is_cut_to_what_the_other_end_takes(limit: int | None) -> None:
    entry = Entry(1, EntryKind.UNARY, "add", "(a: int)", "é" * 150)
    value = fit_entry(encode_entry(entry), limit)
    read = entry_of(value)
    assert (read.index, read.kind, read.name, read.signature) == (1, 0, "add", "(a: int)")
    assert entry.doc.startswith(read.doc)
    whole = len(encode_entry(entry))
    assert len(value) in range((limit or whole) - 4, (limit or whole) + 1) or read == entry
    assert (read == entry) is (limit is None or limit >= whole)


def test_a_signature_is_cut_when_there_is_no_documentation_left_and_a_name_never() -> None:
    entry = Entry(1, EntryKind.UNARY, "add", "(" + "a: int, " * 40 + ")", "adds")
    read = entry_of(fit_entry(encode_entry(entry), 256))
    assert read.doc == ""
    assert entry.signature.startswith(read.signature)
    assert len(encode_entry(read)) in range(250, 257)
    entry = Entry(1, EntryKind.UNARY, "n" * 300, "()", "adds")
    assert entry_of(fit_entry(encode_entry(entry), 256)) == Entry(1, EntryKind.UNARY, "n" * 300)


def test_a_long_docstring_does_not_keep_a_small_caller_from_the_names() -> None:
    table = interface()

    def long() -> None:
        pass

    long.__doc__ = "long " * 100
    table.procedure(77)(long)
    pair = Pair(config_a=WireConfig(max_message_bytes=256), interface_b=table)
    entries = described(pair.a, pair)
    assert [entry.name for entry in entries] == [entry.name for entry in table.entries]
    assert table.entries[-1].doc.startswith(entries[-1].doc)


# --- what is said of wrong arguments ---

SAYS = "; it is add(a: int, b: int) -> int"


@pytest.mark.parametrize(
    ("said", "added"),
    [
        ("procedure 1: bad arguments", SAYS),
        ("add() takes 2 arguments (a: int, b: int), got 1", ""),
        ("add(): argument 'a' must be int, got str", SAYS),
    ],
)
def test_a_refusal_of_arguments_says_what_is_taken_unless_it_does(said: str, added: str) -> None:
    add = Entry(1, EntryKind.UNARY, "add", "(a: int, b: int) -> int")
    error = CallRefusedError(said, reason="bad arguments")
    learned(add).explain(error, 1)
    assert str(error) == said + added


@pytest.mark.parametrize(
    "error",
    [
        CallRefusedError("no such procedure", reason="unknown procedure"),
        CallCancelledError("cancelled", may_have_executed=True),
    ],
)
def test_other_errors_stay_as_they_are(error: CallError) -> None:
    before = str(error)
    learned(Entry(1, EntryKind.UNARY, "add", "(a: int) -> int")).explain(error, 1)
    assert str(error) == before


def test_what_is_not_described_is_not_explained() -> None:
    error = CallRefusedError("bad arguments", reason="bad arguments")
    learned(Entry(1, EntryKind.UNARY, "add")).explain(error, 1)
    learned().explain(error, 1)
    Directory(Interface(), framed=True).explain(error, 1)
    assert str(error) == "bad arguments"
