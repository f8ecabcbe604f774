"""The simulated board behind its pseudo-terminal, driven by the model host, in both sizes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.firmware import model
from tests.firmware.board import Session, connected, open_raw, running

SIZES = [pytest.param((), id="large"), pytest.param(("--small",), id="small")]


def pack(*values: object) -> bytes:
    return b"".join(msgspec.msgpack.encode(value) for value in values)


def value_of(answer: model.Message) -> object:
    assert answer.kind == model.RESPONSE, answer
    return msgspec.msgpack.decode(answer.payload)


def error_of(answer: model.Message) -> tuple[int, bool, str]:
    """Code, may-have-executed, message."""
    assert answer.kind == model.ERROR, answer
    array = msgspec.msgpack.decode(b"\x93" + answer.payload)
    return int(array[0]), bool(array[1]), str(array[2])


@pytest.fixture(params=SIZES)
def session(request: pytest.FixtureRequest, checked_board: Path) -> Iterator[Session]:
    with connected(checked_board, *request.param) as connection:
        yield connection


def test_the_handshake_agrees_on_the_best_checksum(checked_board: Path) -> None:
    for options, profile in (((), model.CRC32), (("--small",), model.CRC16)):
        with connected(checked_board, *options) as session:
            assert session.host.profile == profile
            assert session.host.theirs.flags & 2, "it receives in order only (LINK-3)"


def test_simple_calls_are_answered(session: Session) -> None:
    assert value_of(session.call(0, b"")) == 42
    assert value_of(session.call(1, pack(40, 2))) == 42
    assert value_of(session.call(1, pack(2**32 - 1, 2))) == 1
    assert value_of(session.call(2, pack("grüße"))) == "grüße"
    assert value_of(session.call(6, pack(-7, 2))) == -3


@pytest.mark.parametrize("size", [0, 1, 31, 32, 200, 250])
def test_text_and_bytes_of_all_sizes_come_back(session: Session, size: int) -> None:
    text = "x" * size
    assert value_of(session.call(2, pack(text))) == text
    data = random.Random(size).randbytes(size)  # noqa: S311 - a test wants it repeatable
    assert session.call(4, data).payload == data[::-1]


def test_errors_say_what_was_wrong(session: Session) -> None:
    assert error_of(session.call(6, pack(1, 0))) == (4, True, "division by zero")
    assert error_of(session.call(6, pack(-(2**63), -1)))[0] == 4
    assert error_of(session.call(77, b""))[:2] == (1, False)
    assert error_of(session.call(1, pack(1)))[:2] == (2, False)
    assert error_of(session.call(1, pack(1, 2, 3)))[:2] == (2, False)
    assert error_of(session.call(1, pack("1", 2)))[:2] == (2, False)
    assert error_of(session.call(33, b""))[:2] == (1, False), "an event is no procedure"
    assert value_of(session.call(0, b"")) == 42


def test_a_stream_yields_every_value_and_an_end(session: Session) -> None:
    call = session.start(3, pack(5))
    values = []
    while True:
        part = session.finish(3, call)
        if part.payload:
            values.append(value_of(part))
        if part.ends == model.COMPLETE:
            break
    assert values == [f"item {n}" for n in range(5)]


def test_a_stream_stops_at_its_credit_and_goes_on_with_a_grant(checked_board: Path) -> None:
    """STREAM-2."""
    host = model.Host(mine=model.Parameters(stream_credit=1))  # 16 bytes: two values
    with connected(checked_board, host=host) as session:
        call = session.start(3, pack(4))
        session.until(lambda: len(session.host.messages) >= 2)
        assert value_of(session.call(0, b"")) == 42, "the stream that waits holds nothing up"
        received = b"".join(m.payload for m in session.host.messages if m.call == call)
        assert received == b"\xa6item 0\xa6item 1\xa6i"
        session.host.send(model.message(model.GRANT, 3, call, pack(100)))
        session.until(lambda: any(m.ends == model.COMPLETE for m in session.host.messages))
        payload = b"".join(m.payload for m in session.host.messages if m.call == call)
        assert payload == b"".join(pack(f"item {n}") for n in range(4))


def test_a_blob_far_larger_than_the_board_arrives_whole(session: Session) -> None:
    expected = bytes(i % 251 for i in range(20000))
    assert value_of(session.call(5, pack(20000))) == expected


def test_a_sleeping_call_stops_nothing(session: Session) -> None:
    slept = session.start(7, pack(150))
    assert value_of(session.call(0, b"")) == 42
    assert value_of(session.finish(7, slept)) == 150


def test_a_sleeping_call_can_be_cancelled(session: Session) -> None:
    """CALL-8; and its slot serves again."""
    for _ in range(10):
        slept = session.start(7, pack(60000))
        session.host.send(model.message(model.CANCEL, 7, slept, b""))
        assert error_of(session.finish(7, slept))[:2] == (5, True)


def test_arguments_may_come_in_pieces(session: Session) -> None:
    call = session.start(2, b"\xa5he", model.NONE)
    assert value_of(session.call(0, b"")) == 42
    session.host.send(model.message(model.CALL, 2, call, b"l", model.CHUNK))
    session.host.send(model.message(model.CALL, 2, call, b"", model.NONE))
    session.host.send(model.message(model.CALL, 2, call, b"lo", model.COMPLETE))
    assert value_of(session.finish(2, call)) == "hello"


def test_what_follows_a_refusal_is_dropped_until_its_end(session: Session) -> None:
    """CALL-7: a tombstone; the end of the arguments is not taken for a new call."""
    call = session.start(77, b"first", model.NONE)
    assert error_of(session.finish(77, call))[0] == 1
    session.host.send(model.message(model.CALL, 77, call, b"more", model.NONE))
    session.host.send(model.message(model.CALL, 77, call, b"last", model.COMPLETE))
    assert value_of(session.call(0, b"")) == 42
    assert not session.host.messages
    session.host.send(model.message(model.CALL, 77, call, b"again"))
    assert error_of(session.finish(77, call))[0] == 1


def test_a_cancel_ends_a_tombstone_too(session: Session) -> None:
    for _ in range(20):
        call = session.start(77, b"first", model.NONE)
        assert error_of(session.finish(77, call))[0] == 1
        session.host.send(model.message(model.CANCEL, 77, call, b""))


def test_arguments_beyond_the_limit_are_refused_as_such(session: Session) -> None:
    too_large = pack("x" * (session.host.theirs.max_message * 256 + 1))
    answer = session.call(2, too_large)
    assert error_of(answer)[:2] == (3, False)
    assert value_of(session.call(0, b"")) == 42


def test_calls_beyond_the_limit_are_refused_as_such(session: Session) -> None:
    """CALL-6."""
    limit = session.host.theirs.max_calls
    calls = [session.start(7, pack(400)) for _ in range(limit + 1)]
    assert error_of(session.finish(7, calls[-1]))[:2] == (3, False)
    assert [value_of(session.finish(7, call)) for call in calls[:-1]] == [400] * limit


def test_the_board_calls_the_host_and_answers_what_it_returned(session: Session) -> None:
    call = session.start(8, pack(500, "ping"))
    session.until(lambda: any(m.kind == model.CALL for m in session.host.messages))
    request = next(m for m in session.host.messages if m.kind == model.CALL)
    session.host.messages.remove(request)
    assert (request.procedure, request.payload) == (500, pack("ping"))
    returned = {"deep": [1, None, "two"]}
    session.host.send(model.message(model.RESPONSE, 500, request.call, pack(returned)))
    assert value_of(session.finish(8, call)) == returned


def test_an_error_of_the_host_becomes_an_error_of_the_callback(session: Session) -> None:
    call = session.start(8, pack(500, "ping"))
    session.until(lambda: any(m.kind == model.CALL for m in session.host.messages))
    request = next(m for m in session.host.messages if m.kind == model.CALL)
    session.host.messages.remove(request)
    failure = pack(4, True, "out of paper")
    session.host.send(model.message(model.ERROR, 500, request.call, failure))
    assert error_of(session.finish(8, call)) == (4, True, "out of paper")


@pytest.mark.parametrize("text", ["out of paper", "x" * 60])
def test_an_error_of_the_host_in_parts_is_one_error(session: Session, text: str) -> None:
    """CALL-5: it takes the place of what had come of a result."""
    call = session.start(8, pack(500, "ping"))
    session.until(lambda: any(m.kind == model.CALL for m in session.host.messages))
    request = next(m for m in session.host.messages if m.kind == model.CALL)
    session.host.messages.remove(request)
    failure = pack(4, True, text)
    pieces = [failure[:2], failure[2:7], failure[7:]]
    session.host.send(model.message(model.RESPONSE, 500, request.call, pack([1])[:1], model.NONE))
    for piece, ends in zip(pieces, (model.NONE, model.NONE, model.COMPLETE), strict=True):
        session.host.send(model.message(model.ERROR, 500, request.call, piece, ends))
    assert error_of(session.finish(8, call)) == (4, True, text)
    assert value_of(session.call(0, b"")) == 42


def test_an_error_larger_than_the_callers_buffer_is_cut_and_nothing_else(session: Session) -> None:
    """ipfi.h: so much of it is kept as there is room for."""
    call = session.start(8, pack(500, "ping"))
    session.until(lambda: any(m.kind == model.CALL for m in session.host.messages))
    request = next(m for m in session.host.messages if m.kind == model.CALL)
    session.host.messages.remove(request)
    failure = pack(4, True, "x" * 2000)
    for at in range(0, len(failure), 100):
        ends = model.NONE if at + 100 < len(failure) else model.COMPLETE
        piece = failure[at : at + 100]
        session.host.send(model.message(model.ERROR, 500, request.call, piece, ends))
    assert error_of(session.finish(8, call))[:2] == (4, True)
    assert value_of(session.call(0, b"")) == 42


def test_a_cancelled_callback_cancels_its_call_of_the_host(session: Session) -> None:
    call = session.start(8, pack(500, "ping"))
    session.until(lambda: any(m.kind == model.CALL for m in session.host.messages))
    request = session.host.messages.popleft()
    session.host.send(model.message(model.CANCEL, 8, call, b""))
    assert error_of(session.finish(8, call))[0] == 5
    session.until(lambda: any(m.kind == model.CANCEL for m in session.host.messages))
    cancel = session.host.messages.popleft()
    assert (cancel.procedure, cancel.call) == (500, request.call)


def test_ticks_count_up_and_stop(session: Session) -> None:
    session.call(9, pack(10))
    session.until(lambda: sum(m.kind == model.EVENT for m in session.host.messages) >= 5)
    session.call(9, pack(0))
    ticks = [m for m in session.host.messages if m.kind == model.EVENT]
    assert {m.procedure for m in ticks} == {32}
    counts = [msgspec.msgpack.decode(b"\x92" + m.payload)[0] for m in ticks]
    assert counts == list(range(len(ticks)))


def test_an_event_switches_the_lamp(session: Session) -> None:
    for wanted in (True, False):
        session.host.send(model.message(model.EVENT, 33, 0, pack(wanted)))
        assert value_of(session.call(12, b"")) is wanted


def test_a_lossy_event_switches_the_lamp_as_well(session: Session) -> None:
    event = model.message(model.EVENT, 33, 0, pack(True))
    head = bytes([model.LOSSY]) + session.host.session.to_bytes(2, "little")
    session.host.send_frame(head + event)
    assert value_of(session.call(12, b"")) is True
    session.host.send_frame(head + event[:-1])  # damaged inside, as only a wrong sender would
    session.host.send_frame(head + model.message(model.CALL, 1, 5, pack(1, 2)))
    assert value_of(session.call(0, b"")) == 42


def test_say_prints_text_between_frames(session: Session) -> None:
    text = "hello, " + "x" * 200
    session.call(11, pack(text))
    session.until(lambda: session.host.text.endswith(b"\n"))
    assert session.host.text == text.encode() + b"\n"


def test_the_board_describes_itself(session: Session) -> None:
    """DESC-2."""
    call = session.start(0xFFFF, b"")
    entries = []
    while True:
        part = session.finish(0xFFFF, call)
        if part.payload:
            entries.append(value_of(part))
        if part.ends == model.COMPLETE:
            break
    assert len(entries) == 19
    names = {entry[0]: (entry[1], entry[2]) for entry in entries if isinstance(entry, list)}
    assert names[1] == (0, "add")
    assert names[3] == (1, "sequence")
    assert names[4] == (2, "reverse")
    assert names[32] == (4, "tick")
    assert names[33] == (3, "led")
    assert [
        1,
        0,
        "add",
        "(a: u32, b: u32) -> u32",
        "Add two numbers, wrapping at 2**32.",
    ] in entries
    assert session.host.theirs.schema != 0


def test_a_reboot_answers_first_and_then_says_hello(session: Session) -> None:
    """HS-11."""
    answer = session.call(10, b"")
    assert answer.payload == b"\xc0"
    session.until(lambda: session.host.sessions == 2)
    assert session.host.theirs.boot_cause == 4
    assert value_of(session.call(1, pack(20, 22))) == 42


def test_a_new_host_replaces_one_that_went_away(checked_board: Path) -> None:
    """HS-7: the board's old session dies when the new one's READY comes."""
    with running(checked_board) as (_, path):
        for nonce in range(5):
            descriptor = open_raw(path)
            try:
                session = Session(descriptor, model.Host(mine=model.Parameters(nonce=nonce)))
                session.connect()
                assert session.host.session == nonce + 1, "an id of its own each time (HS-2)"
                assert value_of(session.call(0, b"")) == 42
            finally:
                os.close(descriptor)


def test_another_version_is_refused_with_ours(checked_board: Path) -> None:
    """HS-10."""
    with running(checked_board) as (_, path):
        descriptor = open_raw(path)
        try:
            host = model.Host(mine=model.Parameters(version=2, nonce=77))
            session = Session(descriptor, host)
            host.open(0.0)
            session.until(lambda: bool(host.refusals))
            expected = bytes([model.REFUSE, 1, 1]) + (77).to_bytes(4, "little")
            assert host.refusals[0] == expected
        finally:
            os.close(descriptor)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame_payload": 15},
        {"frame_payload": 16385},
        {"window": 0},
        {"window": 17},
        {"crc_profiles": 2},
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(checked_board: Path, wrong: dict[str, int]) -> None:
    with running(checked_board) as (_, path):
        descriptor = open_raw(path)
        try:
            host = model.Host(mine=model.Parameters(**wrong))
            session = Session(descriptor, host)
            host.open(0.0)
            session.until(lambda: bool(host.refusals))
            assert host.refusals[0][:3] == bytes([model.REFUSE, 1, 2])
        finally:
            os.close(descriptor)


def test_a_length_that_nobody_could_mean_ends_the_session(session: Session) -> None:
    """MSG-6: BYE reason 3, and the next handshake works."""
    session.host.send(bytes.fromhex("01f00105") + (2**63).to_bytes(8, "little"))
    session.until(lambda: bool(session.host.byes))
    assert session.host.byes == [3]
    session.connect()
    assert value_of(session.call(0, b"")) == 42


def test_an_unknown_message_type_is_skipped(session: Session) -> None:
    """MSG-5."""
    session.host.send(model.message(0x42, 9, 9, b"something from the future"))
    session.host.send(b"\x03")
    assert value_of(session.call(0, b"")) == 42


@pytest.mark.parametrize("seed", range(3))
def test_calls_get_through_a_line_that_damages_one_byte_in_a_hundred(
    board_binary: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - a test wants it repeatable

    def damage(data: bytes) -> bytes:
        out = bytearray()
        for value in data:
            fate = rng.random()
            if fate < 0.0025:
                continue
            out.append(value ^ (1 << rng.randrange(8)) if fate < 0.005 else value)
            if fate > 0.995:
                out.append(rng.randrange(256) if fate > 0.9975 else value)
        return bytes(out)

    host = model.Host(payload_limit=64, rto_s=0.01)
    with running(board_binary, "--seed", str(seed)) as (_, path):
        descriptor = open_raw(path)
        try:
            session = Session(descriptor, host)
            session.damage = damage
            session.connect(timeout_s=30)
            for n in range(100):
                assert value_of(session.call(1, pack(n, 1), timeout_s=30)) == n + 1
            blob = value_of(session.call(5, pack(5000), timeout_s=60))
            assert blob == bytes(i % 251 for i in range(5000))
            assert host.repeats > 0
            assert host.sessions == 1
        finally:
            os.close(descriptor)


def test_the_board_ends_with_its_standard_input_and_removes_its_link(
    board_binary: Path, tmp_path: Path
) -> None:
    link = tmp_path / "board"
    with running(board_binary, "--link", str(link)) as (_, path):
        assert link.readlink() == Path(path)
    assert not link.is_symlink()


def test_the_board_replaces_the_link_of_a_killed_one_but_no_file(
    board_binary: Path, tmp_path: Path
) -> None:
    link, file = tmp_path / "board", tmp_path / "file"
    link.symlink_to("/dev/pts/does-not-exist")
    with running(board_binary, "--link", str(link)) as (_, path):
        assert link.readlink() == Path(path)
        link.unlink()
        link.symlink_to("/elsewhere")
    assert link.readlink() == Path("/elsewhere"), "it is another one's now"
    file.write_text("mine")
    done = subprocess.run(  # noqa: S603 - our own program
        [board_binary, "--link", file], capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, file.read_text()) == (1, "mine")
    assert b"File exists" in done.stderr


def test_the_board_ends_at_sigterm(board_binary: Path) -> None:
    with running(board_binary) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
