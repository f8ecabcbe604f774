"""CRC profiles: how a frame's content is sealed, and how the seal is checked.

A check runs the CRC over content and CRC together: the result is a constant (the residue) if all
is well, so that nothing is cut off before it is known to be good.  docs/protocol.md, section 2
(FRAME-5, FRAME-6).

The CRC functions are the ones that CPython brings in C.  crcmod describes the same profiles (the
tests compare them) and computes custom ones.  It comes from the distribution crcmod-plus, the
maintained continuation of crcmod; both install a module named ``crcmod``.  If both are installed,
the one installed last wins, and removing either one breaks the other: then remove both, and
install crcmod-plus again.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from ipfi_serial.errors import ConfigError

CHECK_INPUT: Final = b"123456789"  # the check values of FRAME-5 and FRAME-6 are over this
CUSTOM_BIT: Final = 7  # FRAME-6

ByteOrder = Literal["big", "little"]


@dataclass(frozen=True, slots=True)
class CrcProfile:
    """One way to seal a frame.

    ``compute(sealed, initial) == residue`` is the check, spelt out where it is hot.

    Attributes:
        bit: its bit in HELLO's mask, 0 to 7.
        name: its name in the catalogue of parametrised CRC algorithms, or the user's.
        size_bytes: how many bytes the CRC takes.
        compute: the CRC of (bytes, ``initial``).
        initial: the second argument of ``compute``.
        byte_order: how the CRC is appended.
        residue: what ``compute`` returns for content and CRC together.
        complement: what the CRC is xored with on its way: all ones if the algorithm itself has no
            final xor, because a residue of 0 would not see zeros appended behind a frame, and an
            inserted COBS code of 1 is such a zero.
    """

    bit: int
    name: str
    size_bytes: int
    compute: Callable[[bytes, int], int] = field(repr=False)
    initial: int
    byte_order: ByteOrder
    residue: int
    complement: int = 0

    def for_session(self, confirm: bytes) -> CrcProfile:
        """Return this profile as a session's frames carry it (FRAME-10).

        Its register starts from another value, so what another session sealed does not hold.

        Args:
            confirm: of the session, 4 bytes, as HELLO_ACK and READY carry it.
        """
        mask = (1 << 8 * self.size_bytes) - 1
        return replace(self, initial=self.initial ^ int.from_bytes(confirm, "little") & mask)

    def append(self, content: bytes) -> bytes:
        """Return ``content`` with its CRC behind it."""
        crc = self.compute(content, self.initial) ^ self.complement
        return content + crc.to_bytes(self.size_bytes, self.byte_order)

    def check(self, sealed: bytes) -> bool:
        """Return whether ``sealed`` is content with the right CRC behind it."""
        return self.compute(sealed, self.initial) == self.residue


CRC16: Final = CrcProfile(
    bit=0,
    name="CRC-16/IBM-3740",
    size_bytes=2,
    compute=binascii.crc_hqx,  # polynomial 0x1021, not reflected
    initial=0xFFFF,
    byte_order="big",
    complement=0xFFFF,  # the algorithm has no final xor
    residue=0x1D0F,  # that of CRC-16/GENIBUS, which is this with the complement
)
CRC32: Final = CrcProfile(
    bit=1,
    name="CRC-32/ISO-HDLC",
    size_bytes=4,
    compute=zlib.crc32,
    initial=0,  # zlib inverts it to 0xFFFFFFFF
    byte_order="little",
    residue=0x2144DF1C,  # https://reveng.sourceforge.io/crc-catalogue/17plus.htm, inverted
)


def custom_profile(
    name: str, polynomial: int, *, initial: int, reflected: bool, final_xor: int = 0
) -> CrcProfile:
    """Describe the profile of bit 7, which both ends are configured with (FRAME-6).

    Appended least significant byte first if reflected, else most significant first.

    Args:
        name: for people.
        polynomial: with its highest bit, as crcmod wants it: 0x11021, 0x104C11DB7; 16, 24, 32
            or 64 bits wide.
        initial: the register's start as the catalogue gives it; not 0, or zeros before a
            handshake's frame would go unseen.
        reflected: whether bits go in least significant first.
        final_xor: what the register is xored with at the end.

    Raises:
        ConfigError: crcmod does not take these parameters, or ``initial`` is 0.
    """
    import crcmod  # here, so that it costs nothing where no custom profile is used

    width_bits = polynomial.bit_length() - 1
    if width_bits < 16 or not initial:
        raise ConfigError(f"{name}: a profile has 16 bits or more and an initial value above 0")
    start = initial ^ final_xor  # crcmod's: the CRC of an empty message
    try:
        compute = crcmod.mkCrcFun(polynomial, start, reflected, final_xor)
    except ValueError as error:
        raise ConfigError(f"{name}: not a CRC that crcmod computes: {error}") from error
    size_bytes = width_bits // 8
    order: ByteOrder = "little" if reflected else "big"
    complement = 0 if final_xor else (1 << width_bits) - 1
    crc = compute(CHECK_INPUT, start) ^ complement
    residue = compute(CHECK_INPUT + crc.to_bytes(size_bytes, order), start)
    return CrcProfile(CUSTOM_BIT, name, size_bytes, compute, start, order, residue, complement)
