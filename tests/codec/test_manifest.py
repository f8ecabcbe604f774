"""Self-description: entries, their hash and their look-up."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfi_serial.codec.manifest import (
    Entry,
    EntryKind,
    Manifest,
    decode_entry,
    encode_entry,
    read_manifest,
    schema_hash,
)
from ipfi_serial.codec.values import encode_value
from ipfi_serial.errors import ConfigError, RemoteProtocolError

ADD = Entry(1, EntryKind.UNARY, "add", "(a: int, b: int) -> int", "Adds.")
TICK = Entry(32, EntryKind.EVENT_EMITTED, "tick", "(count: int)")
ENTRIES = st.builds(
    Entry,
    st.integers(0, 2**64 - 1),
    st.sampled_from(EntryKind),
    st.text(max_size=9),
    st.text(max_size=9),
    st.text(max_size=9),
)


@given(entry=ENTRIES)
def test_an_entry_comes_back_from_its_value(entry: Entry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


def test_an_entry_is_an_array_of_index_kind_name_signature_and_doc() -> None:
    assert encode_entry(TICK) == encode_value([32, 4, "tick", "(count: int)", ""])


@pytest.mark.parametrize(
    "value",
    [
        [1, 0, "add", ""],
        [1, None, "add", "", ""],
        [-1, 0, "add", "", ""],
        ["1", 0, "add", "", ""],
        {"index": 1},
        None,
    ],
    ids=str,
)
def test_a_value_that_describes_nothing_is_refused(value: object) -> None:
    with pytest.raises(RemoteProtocolError, match="not an entry of a description"):
        decode_entry(encode_value(value))


@pytest.mark.parametrize("data", ["", "95", "9501", "950100a1ffa0a0"])
def test_bytes_that_are_no_value_are_no_entry(data: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not an entry"):
        decode_entry(bytes.fromhex(data))


def test_the_hash_is_the_crc_of_the_entries_in_the_order_of_their_indices() -> None:
    expected = zlib.crc32(encode_entry(ADD) + encode_entry(TICK))
    assert schema_hash([ADD, TICK]) == schema_hash([TICK, ADD]) == expected
    assert Manifest([TICK, ADD]).schema == expected
    assert schema_hash([ADD]) != expected


def test_the_hash_is_zero_only_without_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    assert schema_hash([]) == 0
    monkeypatch.setattr(zlib, "crc32", lambda _: 0)
    assert schema_hash([ADD]) == 1


def test_entries_are_found_by_index_and_by_name_of_their_sort() -> None:
    event = Entry(2, EntryKind.EVENT_BOTH, "add")
    manifest = Manifest([TICK, ADD, event])
    assert manifest.entries == [ADD, event, TICK]
    assert (manifest.by_index(32), manifest.by_index(33)) == (TICK, None)
    assert (manifest.procedure("add"), manifest.event("add")) == (ADD, event)
    assert (manifest.procedure("tick"), manifest.event("sub")) == (None, None)


def test_two_entries_with_one_index_are_refused() -> None:
    with pytest.raises(ConfigError, match="'add' and 'sub' share the index 1"):
        Manifest([ADD, Entry(1, EntryKind.EVENT_BOTH, "sub")])


@pytest.mark.parametrize("kinds", [(0, 2), (3, 5)])
def test_two_entries_of_one_sort_with_one_name_are_refused(kinds: tuple[int, int]) -> None:
    entries = [Entry(i, EntryKind(kind), "go") for i, kind in enumerate(kinds)]
    with pytest.raises(ConfigError, match="the indices 0 and 1 share the name 'go'"):
        Manifest(entries)


def test_a_received_description_is_read() -> None:
    assert read_manifest([encode_entry(TICK), encode_entry(ADD)]).entries == [ADD, TICK]


def test_what_a_later_version_adds_to_a_description_is_left_out() -> None:
    """DESC-2: entries of kinds that are not known, and elements behind doc."""
    later = [encode_value([1, 6, "add", "", ""]), encode_value([2, -1, "add", "", ""])]
    more = encode_value([1, 0, "add", "(a: int, b: int) -> int", "Adds.", {"since": 2}, 3])
    assert read_manifest([*later, more]).entries == [ADD]
    assert decode_entry(later[0]) is None


def test_a_received_description_with_duplicates_is_the_other_ends_fault() -> None:
    with pytest.raises(RemoteProtocolError, match="description is wrong: 'add' and 'add' share"):
        read_manifest([encode_entry(ADD), encode_entry(ADD)])


def test_kinds_from_3_on_are_events() -> None:
    assert [kind.is_event for kind in EntryKind] == [False] * 3 + [True] * 3
