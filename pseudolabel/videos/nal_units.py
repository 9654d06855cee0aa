"""NAL units, in which H.264 packs what it codes, and the numbers in them.

Numbers in parentheses are sections of ITU-T H.264. What is broken is a `ValueError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_START_CODE = b"\0\0\1"


class Bits:
    """Reads the bits of a NAL unit after its first byte.

    Kept as a string of digits: searching it for the next one is how Exp-Golomb codes are read
    fastest in Python.
    """

    def __init__(self, unit: bytes) -> None:
        payload = unit[1:].replace(b"\0\0\3", b"\0\0")  # emulation prevention (7.4.1)
        self._digits = bin(int.from_bytes(b"\1" + payload))
        self._at = 3  # after "0b1"

    def take(self, count: int) -> int:
        """An unsigned number of `count` bits, at least one."""
        start, self._at = self._at, self._at + count
        if self._at > len(self._digits):
            raise ValueError("the header ends too early")
        return int(self._digits[start : self._at], 2)

    def exp(self, most: int = 1 << 16) -> int:
        """An unsigned Exp-Golomb code (9.1), `most` at most."""
        one = self._digits.index("1", self._at)
        zeros, self._at = one - self._at, one
        value = self.take(zeros + 1) - 1
        if value > most:
            raise ValueError(f"{value} where at most {most} is allowed")
        return value

    def signed_exp(self) -> int:
        """A signed Exp-Golomb code (9.1.1)."""
        code = self.exp(1 << 32)
        return (code + 1) // 2 if code % 2 else -(code // 2)


def unit_spans(packet: bytes, length_bytes: int) -> Iterator[tuple[int, int]]:
    """Where the NAL units of a packet start and end.

    Args:
        packet: As the container has it.
        length_bytes: Of the length before each unit; 0: there are start codes (Annex B).
    """
    if not length_bytes:
        # What does not begin so, FFmpeg may take for lengths.
        if not packet.startswith(b"\0" + _START_CODE):
            raise ValueError("no start code of four bytes")
        end = packet.find(_START_CODE)
        while end < len(packet):
            start = end + len(_START_CODE)
            found = packet.find(_START_CODE, start)
            end = found if found >= 0 else len(packet)
            if start < end:
                yield start, end
        return
    end = 0
    while end < len(packet):
        start = end + length_bytes
        end = start + int.from_bytes(packet[start - length_bytes : start])
        if not start + 1 < end <= len(packet):
            raise ValueError("the packet is not filled by its NAL units")
        yield start, end


def unit_kind(unit: bytes) -> int:
    """The type of a unit (table 7-1)."""
    return unit[0] & 31


def exp_digits(value: int) -> str:
    """The Exp-Golomb code of a number, in digits 0 and 1."""
    digits = f"{value + 1:b}"
    return digits.rjust(2 * len(digits) - 1, "0")


def signed_exp_digits(value: int) -> str:
    """The signed Exp-Golomb code of a number, in digits 0 and 1."""
    return exp_digits(2 * value - 1 if value > 0 else -2 * value)


def make_unit(first: int, digits: str) -> bytes:
    """A NAL unit of its first byte and the digits 0 and 1 that follow."""
    size = len(digits) // 8 + 1
    payload = int((digits + "1").ljust(8 * size, "0"), 2).to_bytes(size)
    return bytes([first]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def make_packet(units: list[bytes], length_bytes: int) -> bytes:
    """A packet of some units; `length_bytes` as for `unit_spans`."""
    if not length_bytes:
        return b"".join(b"\0" + _START_CODE + unit for unit in units)
    return b"".join(len(unit).to_bytes(length_bytes) + unit for unit in units)
