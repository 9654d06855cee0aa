"""Who may refer to whom, in streams of headers written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pseudolabel.videos.h264 import HeaderReader
from pseudolabel.videos.nal_units import Bits, exp_digits, make_unit, signed_exp_digits
from pseudolabel.videos.references import Reference, References

LATER = 1000  # after every picture
START = b"\0\0\0\1"


class Stream:
    """Writes packets whose pts is the picture order count, and follows them."""

    def __init__(self, most_references: int = 4, bits: int = 8, scaling: str = "0") -> None:
        self.bits = bits
        sequence = (
            f"{100:08b}{0:08b}{30:08b}"
            + "".join(map(exp_digits, (0, 1, 0, 0)))
            + f"0{scaling}"
            + "".join(map(exp_digits, (bits - 4, 0, bits - 4, most_references)))
            + f"0{exp_digits(5)}{exp_digits(3)}1"
        )
        picture = f"{exp_digits(0) * 2}11{exp_digits(0) * 3}101{exp_digits(0) * 3}000"
        self.stored = START + make_unit(0x67, sequence) + START + make_unit(0x68, picture)
        self.headers = HeaderReader(self.stored)
        self.references = References(self.headers)

    def add(self, kind: str, number: int, poc: int, **told: Any) -> Reference:
        """Read a reference picture."""
        found = self.references.read(self.packet(kind, number, poc, **told), poc)
        assert found is not None
        return found

    def skip(self, pts: int) -> None:
        """Read a picture that is no reference."""
        assert self.references.read(START + b"\1\xff", pts) is None

    def packet(
        self,
        kind: str,
        number: int,
        poc: int,
        *,
        active: Sequence[int] | None = None,
        named: Sequence[Sequence[int]] = ((), ()),
        removed: Sequence[int] | None = None,
        poc_delta: int = 0,
        weighs: bool = False,
    ) -> bytes:
        lists = "IPB".index(kind)
        entries = active or (1,) * lists
        digits = exp_digits(0) + exp_digits("PBI".index(kind)) + exp_digits(0)
        digits += f"{number % (1 << self.bits):0{self.bits}b}" + exp_digits(0) * (number == 0)
        digits += f"{poc % (1 << self.bits):0{self.bits}b}" + signed_exp_digits(poc_delta)
        digits += "1" * (kind == "B")
        if lists:
            digits += "1" + "".join(exp_digits(count - 1) for count in entries)
        for numbers in named[:lists]:
            digits += "1" * bool(numbers)
            last = number
            for one in numbers:
                digits += exp_digits(int(one > last)) + exp_digits(abs(one - last) - 1)
                last = one
            digits += exp_digits(3) if numbers else "0"
        if lists:
            weight = signed_exp_digits(-3)
            weights = f"1{weight * 2}1{weight * 4}" if weighs else "00"
            digits += exp_digits(0) * 2 + weights * sum(entries)
        if number == 0:
            digits += "00"
        else:
            digits += "0" if removed is None else "1"
            for one in removed or ():
                digits += exp_digits(1) + exp_digits((number - one - 1) % (1 << self.bits))
            digits += exp_digits(0) * (removed is not None)
        return START + make_unit(0x65 if number == 0 else 0x41, digits + "0101")


def users(one: Reference) -> list[int]:
    return [user.header.frame_num for user in one.users]


def is_replaced(
    stream: Stream, one: Reference, target: int = LATER, *, is_last: bool = True
) -> bool:
    return stream.references.stand_in(one, target, is_last=is_last) is not None


def test_p_frames_refer_to_the_latest_unless_they_name_another() -> None:
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"named": [[1]]}, False),
        ({"named": [[1]], "active": (2,)}, True),
        ({"named": [[1, 0]], "active": (2,)}, False),
        ({"named": [[0, 1]], "active": (3,)}, True),
    ]
    for told, needs in cases:
        stream = Stream()
        for kind, number, poc in (("I", 0, 0), ("P", 1, 16)):
            stream.add(kind, number, poc)
        between = stream.add("B", 2, 8)
        assert is_replaced(stream, between)
        stream.add("P", 3, 32, **told)
        assert is_replaced(stream, between) != needs, told


def test_b_frames_refer_to_the_nearest_on_both_sides() -> None:
    stream = Stream(most_references=8)
    first, last = stream.add("I", 0, 0), stream.add("P", 1, 40)
    middle = stream.add("B", 2, 20)
    early, late = stream.add("B", 3, 10), stream.add("B", 4, 30)
    assert (users(first), users(last)) == ([1, 2, 3], [2, 4])
    assert users(middle) == [3, 4]
    stream.add("B", 5, 26, active=(2, 2))
    assert (users(middle), users(early), users(late)) == ([3, 4, 5], [5], [5])
    assert users(last)[-1] == 5
    assert users(first)[-1] == 3


def test_two_lists_that_are_alike_begin_with_different_pictures() -> None:
    stream = Stream()
    pictures = [stream.add("I", 0, 0), stream.add("P", 1, 8), stream.add("P", 2, 16)]
    stream.add("B", 3, 24)
    assert [3 in users(one) for one in pictures] == [False, True, True]


def test_what_a_needed_b_frame_may_refer_to_is_needed() -> None:
    stream = Stream()
    stream.add("I", 0, 0), stream.add("P", 1, 40)
    middle, early = stream.add("B", 2, 20), stream.add("B", 3, 10)
    stream.skip(5)
    assert is_replaced(stream, middle, target=30)
    assert not is_replaced(stream, middle, target=20)
    stream.add("P", 4, 80, named=[[3]])
    assert not is_replaced(stream, early, target=30)
    assert not is_replaced(stream, middle, target=30)


def test_other_frames_may_refer_to_all_that_is_marked() -> None:
    stream = Stream()
    stream.add("I", 0, 0), stream.add("P", 1, 40)
    middle = stream.add("B", 2, 20)
    stream.skip(30)
    assert is_replaced(stream, middle, target=31)
    assert not is_replaced(stream, middle, target=30)
    stream.add("P", 3, 80, named=[[1]], removed=[2])
    stream.skip(35)
    assert is_replaced(stream, middle, target=31)


@pytest.mark.parametrize("end", ["removed", "slid", "idr"])
def test_a_picture_waits_until_none_can_refer_to_it(end: str) -> None:
    stream = Stream(most_references=3 if end == "slid" else 4)
    stream.add("I", 0, 0), stream.add("P", 1, 40)
    middle = stream.add("B", 2, 20)
    stream.add("P", 3, 80, named=[[1]])
    if end == "slid":
        stream.add("P", 4, 120)
        assert not is_replaced(stream, middle, is_last=False)
        stream.add("P", 5, 160)
    else:
        assert not is_replaced(stream, middle, is_last=False)
        assert is_replaced(stream, middle, is_last=True)
        stream.add("I", 0, 200) if end == "idr" else stream.add("P", 4, 120, removed=[2, 0])
    assert is_replaced(stream, middle, is_last=False)
    assert is_replaced(stream, middle, is_last=True)


@pytest.mark.parametrize(
    "told",
    [
        {"number": 5},  # frames are missing
        {"number": 4, "active": (5,)},  # there are but four
        {"number": 4, "removed": [7]},
        {"number": 4, "removed": []},  # which leaves no room
        {"number": 4, "named": [[9]]},
    ],
)
def test_what_cannot_be_ends_it(told: dict[str, Any]) -> None:
    stream = Stream()
    stream.add("I", 0, 0), stream.add("P", 1, 40)
    middle = stream.add("B", 2, 20)
    stream.add("P", 3, 80, named=[[1]])
    packet = stream.packet("P", poc=120, **told)
    assert is_replaced(stream, middle)
    assert stream.references.read(packet, 120) is None
    assert not is_replaced(stream, middle)
    assert stream.references.read(stream.packet("I", 0, 0), 0) is None


def test_headers_are_reread_as_written() -> None:
    for bits in (4, 8, 16):
        stream = Stream(bits=bits)
        written: list[dict[str, Any]] = [
            {"active": (3,), "named": [[1, 3, 2]], "removed": [0, 2]},
            {"active": (1,), "weighs": True, "removed": [1], "poc_delta": -5},
            {"active": (2,), "weighs": True, "removed": [], "poc_delta": 1},
            {"active": (1,), "removed": None},
        ]
        for told in written:
            packet = stream.packet("P", 4, 0, **told)
            (slice_,) = stream.headers.read(packet).slices
            assert (slice_.frame_num, slice_.active) == (4, told["active"])
            assert slice_.named == (tuple(told.get("named", [[]])[0]),)
            assert slice_.poc_delta == told.get("poc_delta", 0)
            removed = told["removed"]
            assert slice_.removed == (None if removed is None else tuple(removed))
            _, parameters, other = stream.headers.stand_in(slice_).split(START)
            reader = HeaderReader(stream.stored + START + parameters)
            (own,) = reader.read(START + other).slices
            assert (own.poc_delta, own.removed) == (slice_.poc_delta, slice_.removed)


def test_scaling_matrices_are_passed_over() -> None:
    short = "1" + signed_exp_digits(3) * 16
    whole = "1" + signed_exp_digits(1) * 64
    ended = "1" + signed_exp_digits(-8)
    stream = Stream(scaling="1" + short + "0" * 4 + ended + whole + "0", bits=9)
    assert stream.headers.sequence.frame_num_bits == 9
    assert stream.headers.sequence.macroblocks == 24


def test_zeros_in_a_unit_are_kept_apart() -> None:
    unit = make_unit(0x41, "0" * 56 + "00000010" + "0" * 16 + "00000011")
    assert unit == bytes.fromhex("41 000003 000003 000003 0002 000003 03 80")
    bits = Bits(unit)
    assert (bits.take(56), bits.take(8), bits.take(16), bits.take(8)) == (0, 2, 0, 3)


def test_many_that_refer_to_many_take_no_time() -> None:
    stream = Stream(most_references=16)
    stream.add("I", 0, 0), stream.add("P", 1, 100)
    chain = []
    for number in range(2, 60):
        count = min(number, 16)
        chain.append(stream.add("B", number, number, active=(count, count)))
    assert len(chain[0].users) == 16
    assert is_replaced(stream, chain[0])
