"""The simulator's own eyes: damage that a checksum misses, the ring, the truth about calls."""

from __future__ import annotations

import pytest

from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import encode_frame
from tests.simulation.end import Ended
from tests.simulation.escapes import Escapes, Watch, unstuffed
from tests.simulation.plan import Call, plan_of
from tests.simulation.ring import RingAccount
from tests.simulation.truth import Operation, Truth, WrongError, arguments_of, value_of
from tests.simulation.world import World

DATA = b"\x85\x01\x00\x07\x03some bytes"


def test_a_frame_that_came_as_it_was_sent_is_no_escape() -> None:
    watch = Watch(crc32=True, escapes=Escapes())
    wire = encode_frame(DATA, CRC32)
    watch.sent(wire)
    watch.delivered(wire[:5])
    watch.delivered(wire[5:] + wire)
    assert watch.escapes == Escapes()


@pytest.mark.parametrize(("profile", "crc32"), [(CRC16, False), (CRC32, True)])
def test_another_frame_with_the_right_checksum_is_an_escape(
    profile: CrcProfile, crc32: bool
) -> None:
    watch = Watch(crc32=crc32, escapes=Escapes())
    hello_ack = b"\x82" + bytes(29) + DATA[1:3] + bytes(5) + b"\1\2\3\4"
    watch.sent(encode_frame(hello_ack, CRC16))
    foreign = encode_frame(DATA.replace(b"some", b"same"), profile)
    profile = profile.for_session(b"\1\2\3\4")
    watch.sent(encode_frame(DATA, profile))
    forged = encode_frame(DATA.replace(b"some", b"SOME"), profile)
    watch.delivered(forged)
    assert (watch.escapes.damaged, watch.escapes.found) == (1, 1)
    watch.delivered(forged[:-3] + bytes((forged[-3] ^ 1 or 1,)) + forged[-2:])
    assert (watch.escapes.damaged, watch.escapes.found) == (2, 1)
    assert watch.escapes.checked32 == (2 if crc32 else 0)
    watch.delivered(foreign)
    assert (watch.escapes.damaged, watch.escapes.found) == (3, 1)


def test_cobs_is_undone_as_it_is_defined() -> None:
    assert unstuffed(b"\x03\x11\x22") == b"\x11\x22"
    assert unstuffed(b"\x05\x11") is None


def test_the_ring_s_account_knows_what_was_not_acknowledged() -> None:
    account = RingAccount(0, 64, 4)
    frame = b"\x85\x01\x00%c\x00" + b"x" * 20
    account.sent(encode_frame(frame % 0, CRC32), 1.0)
    account.sent(encode_frame(frame % 1, CRC32), 1.001)
    account.heard(encode_frame(b"\x86\x01\x00\x02\x00\x00\x00\x00\x00", CRC32).strip(b"\0"))
    account.sent(encode_frame(frame % 2, CRC32), 1.002)
    account.sent(encode_frame(frame % 3, CRC32), 1.003)
    with pytest.raises(WrongError, match="the ring has 64"):
        account.sent(encode_frame(frame % 4, CRC32), 1.004)


# --- the truth about calls ---


def an_operation(truth: Truth) -> tuple[World, Operation]:
    world = World(plan_of(5), "py-py")
    step = next(s for s in plan_of(5).steps if isinstance(s, Call) and s.values < 0 and s.end == 0)
    operation = Operation(step, world.ends[0])
    operation.complete = True
    truth.asked(operation)
    return world, operation


def test_a_call_that_is_executed_twice_is_wrong() -> None:
    truth = Truth()
    world, operation = an_operation(truth)
    truth.executed(world.ends[1], 1, arguments_of(operation.step))
    with pytest.raises(WrongError, match="2 times"):
        truth.executed(world.ends[1], 1, arguments_of(operation.step))


def test_a_call_that_is_executed_and_denied_is_wrong() -> None:
    truth = Truth()
    world, operation = an_operation(truth)
    truth.executed(world.ends[1], 1, arguments_of(operation.step))
    with pytest.raises(WrongError, match="denies it"):
        truth.ended(Ended(operation, None, "LinkLostError", may=False, last=True))


def test_a_call_that_is_executed_after_it_was_denied_is_wrong() -> None:
    truth = Truth()
    world, operation = an_operation(truth)
    truth.ended(Ended(operation, None, "LinkLostError", may=False, last=True))
    with pytest.raises(WrongError, match="after LinkLostError"):
        truth.executed(world.ends[1], 1, arguments_of(operation.step))


def test_an_answer_that_is_not_the_call_s_is_wrong() -> None:
    truth = Truth()
    world, operation = an_operation(truth)
    truth.executed(world.ends[1], 1, arguments_of(operation.step))
    answer = value_of(operation.step.tag + 1, 0, operation.step.answer)
    with pytest.raises(WrongError):
        truth.ended(Ended(operation, answer, None, may=None, last=True))
