"""The fuzzers, briefly: all of the corpus, then new inputs.  Long: python -m tests.fuzz."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware import build
from tests.firmware.lockstep import End
from tests.fuzz import boards, differential, guided, native, seeds

SECONDS = 1.0  # each of seven; with the compilation they are 30 s


@pytest.fixture(scope="module")
def fuzzers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return native.build_fuzzers(tmp_path_factory.mktemp("fuzzers"))


@pytest.mark.parametrize("name", native.FUZZERS)
def test_the_c_core_keeps_its_promises_for_the_corpus_and_some_new_inputs(
    name: str, fuzzers: dict[str, Path]
) -> None:
    outcome = native.fuzz(name, SECONDS, program=fuzzers[name])
    assert outcome.crashes == (), outcome.log
    assert outcome.inputs >= len(list((seeds.CORPUS / native.corpus_of(name)).iterdir()))


@pytest.mark.parametrize("name", guided.TARGETS)
def test_the_python_core_keeps_its_promises_for_the_corpus_and_some_new_inputs(name: str) -> None:
    build.any_compiler()  # skips the differential one where there is none
    outcome = guided.blindly(name, SECONDS)
    assert outcome.crashes == (), outcome.log
    assert outcome.inputs >= len(guided.corpus_of(name))


def fresh(name: str) -> bytes:
    """Return an input of fuzz_receive.c."""
    return dict(seeds.receive_seeds(boards.library()))[name]


def hear(data: bytes) -> End:
    """Let an end hear an input of fuzz_receive.c, its frames sealed for the session that it has."""
    small, host = bool(data[0] & seeds.SMALL), bool(data[0] & seeds.HOST)
    board = End(boards.library(), small=small, host=host, nonce=1)
    board.take_tx(0)
    for frame in data[1:].split(b"\0"):
        board.receive(seeds.sealed_for(frame + b"\0", 0, board.confirm), 0)
        board.take_tx(0)  # what it answers is part of what the next frame confirms
    return board


def test_the_seeds_of_the_repository_are_of_this_protocol() -> None:
    """What a handshake or a seal of older days says is noise: python -m tests.fuzz.seeds."""
    sessions = calls = 0
    for path in sorted((seeds.CORPUS / "receive").glob("*[0-9]")):
        if path.name.startswith("crash-"):
            continue
        stats = hear(path.read_bytes()).stats
        sessions += stats["sessions"] > 0
        calls += stats["calls_served"]
    assert sessions >= 50
    assert calls >= 20


@pytest.mark.parametrize("name", ["magic-0", "callback-3", "sequence-0"])
def test_the_seeds_open_a_session_and_make_a_call(name: str) -> None:
    stats = hear(fresh(name)).stats
    assert (stats["sessions"], stats["calls_served"]) == (1, 1)


@pytest.mark.parametrize("name", ["events-0", "events-3"])
def test_the_seeds_have_events_and_a_cancelled_call(name: str) -> None:
    stats = hear(fresh(name)).stats
    assert (stats["sessions"], stats["calls_served"], stats["events_handled"]) == (1, 1, 2)
    assert b"\x06\xc0" in fresh(name)  # Cancel


def test_the_corpus_stays_small() -> None:
    size = sum(each.stat().st_size for each in seeds.CORPUS.rglob("*") if each.is_file())
    assert size < 200 << 10


# --- what the differential fuzzer once found, and what shows that it can ---


def life(*steps: bytes) -> bytes:
    """An input: an established session, then steps."""
    return bytes((seeds.SESSION,)) + b"".join(steps)


def test_an_event_part_that_says_chunk_is_not_the_end_of_the_event() -> None:
    """As in the arguments of a call (CALL-4); the Python core once took it for the end."""
    part = seeds.step(seeds.MESSAGE, b"\x01\x40\x00\x00\xc3")
    differential.sessions(life(part))
    differential.sessions(life(part, seeds.step(seeds.MESSAGE, b"\x01\x80\x00\x00")))


@pytest.mark.parametrize("bad", [b"\x01\x80\x01\x05\x02\x28\x02", b"\x09\x80", b"\x00"])
def test_an_invalid_flag_and_a_termination_end_the_session_of_either_core(bad: bytes) -> None:
    """MSG-6; the C core once went on."""
    differential.sessions(life(seeds.step(seeds.STREAM, bad)))


@pytest.mark.parametrize("bad", [b"\x01\x80\x01\x05\x02", b"\x09\x30\0\0" + b"\xff" * 8])
def test_an_event_before_a_broken_message_in_one_frame_is_handed_over_by_both(bad: bytes) -> None:
    """MSG-6."""
    differential.sessions(life(seeds.step(seeds.STREAM, b"\x04\xc0\x21\x00\x01\xc3" + bad)))


def test_refused_calls_up_to_the_announced_limit_are_answered_by_both() -> None:
    """CALL-6: 4 whose arguments are not complete; beyond that the C core gives the session up."""
    for number, ends in ((4, 0x00), (30, 0xC0)):
        calls = b"".join(bytes((1, ends, 99, call, 0)) for call in range(number))
        differential.sessions(life(seeds.step(seeds.STREAM, calls)))


def test_mixed_parts_of_two_events_make_no_event_that_nobody_sent() -> None:
    """EVENT-2; each core once joined them, under the index of the first or of the last."""
    part, other = b"\x04\x00\x21\x0a\x00", b"\x04\xc0\x01\x03\x04\x02\x02\x07\x87"
    for stream in (part + other, other[:1] + b"\x00" + other[2:] + b"\x04\xc0\x21\x00\x01\xc3"):
        differential.sessions(life(seeds.step(seeds.STREAM, stream)))


@pytest.mark.parametrize("behind", [b"\x00", b"\x01\xc0\x01\x05\x02\x28\x02", b"\x01\x80", b"x"])
def test_what_stands_behind_a_lossy_event_is_not_read(behind: bytes) -> None:
    """EVENT-3: one message; the C core once obeyed a Call or a Termination behind it."""
    event = b"\x88\x04\xc0\x21\x00\x01\xc3"
    differential.sessions(life(seeds.step(seeds.FRAME, event)))
    differential.sessions(life(seeds.step(seeds.FRAME, event + behind)))


def test_a_difference_between_the_two_cores_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = life(seeds.step(seeds.MESSAGE, b"\x00\x80\x01\x05\x28\x02"))
    differential.sessions(steps)
    monkeypatch.setattr("ipfi_serial.sim.procedures._U32", 0xF)  # add() wraps too early
    with pytest.raises(AssertionError):
        differential.sessions(steps)


def test_a_broken_promise_of_a_decoder_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipfi_serial.codec.message.MessageDecoder.buffered_bytes", 1 << 20)
    with pytest.raises(AssertionError):
        guided.target_of("python")(b"\x04\x00\x01\xc0\x01\x00\x02\x01\x02")
