"""CRC profiles against crcmod's catalogue, pinned check values and a bit-by-bit CRC."""

from __future__ import annotations

import subprocess
import sys

import crcmod.predefined
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfi_serial.errors import ConfigError
from ipfi_serial.framing.crc import CHECK_INPUT, CRC16, CRC32, CrcProfile, custom_profile
from tests.vectors.make_frames import crc16, crc32

XMODEM_LIKE = custom_profile("CRC-16/IBM-3740", 0x11021, initial=0xFFFF, reflected=False)
OPENPGP = custom_profile("CRC-24/OPENPGP", 0x1864CFB, initial=0xB704CE, reflected=False)
X25 = custom_profile("CRC-16/IBM-SDLC", 0x11021, initial=0xFFFF, reflected=True, final_xor=0xFFFF)
BZIP2 = custom_profile(
    "CRC-32/BZIP2", 0x104C11DB7, initial=0xFFFFFFFF, reflected=False, final_xor=0xFFFFFFFF
)
XZ = custom_profile(
    "CRC-64/XZ",
    0x142F0E1EBA9EA3693,
    initial=0xFFFFFFFFFFFFFFFF,
    reflected=True,
    final_xor=0xFFFFFFFFFFFFFFFF,
)
# Check values: https://reveng.sourceforge.io/crc-catalogue/
CHECKS = [
    (CRC16, 0x29B1),
    (CRC32, 0xCBF43926),
    (XMODEM_LIKE, 0x29B1),
    (OPENPGP, 0x21CF02),
    (X25, 0x906E),
    (BZIP2, 0xFC891918),
    (XZ, 0x995DC9BBDF1939FA),
]
PROFILES = [profile for profile, _ in CHECKS]


def name(profile: CrcProfile) -> str:
    return profile.name


@pytest.mark.parametrize("profile, check", CHECKS, ids=lambda value: getattr(value, "name", ""))
def test_check_value_over_the_nine_digits_is_the_catalogues(
    profile: CrcProfile, check: int
) -> None:
    assert profile.compute(CHECK_INPUT, profile.initial) == check


@given(content=st.binary(max_size=300))
def test_crc16_equals_crcmods_and_a_bit_by_bit_one(content: bytes) -> None:
    crc = CRC16.compute(content, CRC16.initial)
    assert crc == crcmod.predefined.mkPredefinedCrcFun("crc-ccitt-false")(content)
    assert CRC16.append(content) == content + crc16(content)


@given(content=st.binary(max_size=300))
def test_crc32_equals_crcmods_and_a_bit_by_bit_one(content: bytes) -> None:
    crc = CRC32.compute(content, CRC32.initial)
    assert crc == crcmod.predefined.mkPredefinedCrcFun("crc-32")(content)
    assert CRC32.append(content) == content + crc32(content)


@given(content=st.binary(max_size=300))
def test_a_custom_profile_equals_the_built_in_one_with_its_parameters(content: bytes) -> None:
    assert XMODEM_LIKE.append(content) == CRC16.append(content)


@pytest.mark.parametrize("profile", PROFILES, ids=name)
@given(content=st.binary(max_size=80))
def test_what_is_sealed_checks_whatever_the_content(profile: CrcProfile, content: bytes) -> None:
    sealed = profile.append(content)
    assert len(sealed) == len(content) + profile.size_bytes
    assert profile.check(sealed)


@pytest.mark.parametrize("profile", PROFILES, ids=name)
@given(content=st.binary(max_size=40), data=st.data())
def test_a_flipped_bit_never_checks(
    profile: CrcProfile, content: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(profile.append(content))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert not profile.check(bytes(sealed))


@pytest.mark.parametrize("profile", PROFILES, ids=name)
@given(content=st.binary(max_size=40), confirms=st.tuples(*[st.binary(min_size=4, max_size=4)] * 2))
def test_what_is_sealed_for_a_session_holds_for_no_other_one(
    profile: CrcProfile, content: bytes, confirms: tuple[bytes, bytes]
) -> None:
    """FRAME-10: unless as much of ``confirm`` as the CRC takes is the same."""
    ours, theirs = map(profile.for_session, confirms)
    sealed = ours.append(content)
    assert ours.check(sealed)
    size = min(4, profile.size_bytes)
    assert theirs.check(sealed) == (confirms[0][:size] == confirms[1][:size])


@pytest.mark.parametrize("profile", PROFILES, ids=name)
def test_zeros_never_check_so_that_a_stuck_line_forms_no_frame(profile: CrcProfile) -> None:
    assert not any(profile.check(bytes(size)) for size in range(profile.size_bytes + 1, 100))


def test_profiles_stand_at_the_bits_of_the_mask() -> None:
    assert [CRC16.bit, CRC32.bit, OPENPGP.bit] == [0, 1, 7]


def test_a_width_that_is_no_whole_number_of_bytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="odd: not a CRC that crcmod computes"):
        custom_profile("odd", 0x102001, initial=1, reflected=False)


def test_a_narrow_profile_is_refused() -> None:
    with pytest.raises(ConfigError, match="16 bits or more"):
        custom_profile("CRC-8", 0x107, initial=0xFF, reflected=False)


def test_an_initial_value_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="an initial value above 0"):
        custom_profile("XMODEM", 0x11021, initial=0, reflected=False)


def test_crcmod_is_not_imported_until_a_custom_profile_is_made() -> None:
    code = "import sys, ipfi_serial.framing.crc; sys.exit('crcmod' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own code
    assert run.returncode == 0


@pytest.mark.parametrize("profile", PROFILES, ids=name)
@given(content=st.binary(max_size=40), zeros=st.integers(1, 8))
def test_zeros_behind_a_sealed_content_are_seen(
    profile: CrcProfile, content: bytes, zeros: int
) -> None:
    assert not profile.check(profile.append(content) + bytes(zeros))
