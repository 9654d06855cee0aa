"""H.264 headers, as far as they tell which pictures a picture may refer to.

Only what encoders of B-pyramids write is understood: whole frames, one sequence parameter set
that never changes, short-term references. Everything else, and everything broken, is a
`ValueError`, so that nothing is concluded from it. Numbers in parentheses are sections of
ITU-T H.264.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pseudolabel.videos.nal_units import (
    Bits,
    exp_digits,
    make_packet,
    make_unit,
    signed_exp_digits,
    unit_kind,
    unit_spans,
)

_PROFILES = frozenset({77, 100, 110, 122, 244})  # those with B-frames, without layers and views
_KINDS = "PBI"  # of slices, as they are numbered; then SP and SI
_HEADER_BYTES = 64  # of a slice; a longer header is not understood
_IDR = 5
_SLICES = frozenset({1, _IDR})
_SEQUENCE, _PICTURE = 7, 8
_PARAMETER_SETS = frozenset({_SEQUENCE, _PICTURE, 13, 15})
_TELL_NOTHING = frozenset({6, 9, 10, 11, 12})  # SEI, delimiters, ends, filler


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """What a sequence parameter set says (7.3.2.1.1)."""

    number: int
    frame_num_bits: int
    poc_bits: int
    most_references: int
    has_chroma: bool
    macroblocks: int  # of a picture


@dataclass(frozen=True, slots=True)
class PictureParameters:
    """What a picture parameter set says (7.3.2.2)."""

    has_poc_delta: bool
    active: tuple[int, int]  # entries of the two lists, unless a slice says otherwise
    has_weights: dict[str, bool]  # for each kind of slice


@dataclass(frozen=True, slots=True)
class Slice:
    """The header of a slice of a reference picture (7.3.3)."""

    first_macroblock: int
    kind: str  # "P", "B" or "I"
    frame_num: int
    poc_lsb: int
    poc_delta: int  # from the top field's to the bottom field's
    active: tuple[int, ...]  # entries of each list of references
    named: tuple[tuple[int, ...], ...]  # for each list the `frame_num`s that come first in it
    removed: tuple[int, ...] | None  # `frame_num`s that stop being references; None: the oldest


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """The picture in a packet."""

    is_reference: bool
    is_idr: bool
    slices: tuple[Slice, ...]  # of references only


class HeaderReader:
    """Reads the headers in packets of one stream."""

    def __init__(self, extradata: bytes) -> None:
        """Read the parameter sets that the container stores.

        Raises:
            ValueError: If they are missing, broken or of a kind that is not understood.
        """
        self._length_bytes, sets = _split_extradata(extradata)
        self._known = frozenset(sets)
        kinds = [unit_kind(one) for one in self._known]
        if kinds.count(_SEQUENCE) != 1 or set(kinds) != {_SEQUENCE, _PICTURE}:
            raise ValueError(f"parameter sets of types {kinds}")
        self.sequence = next(
            _read_sequence(one) for one in self._known if unit_kind(one) == _SEQUENCE
        )
        number = self.sequence.number
        pictures = [_read_picture(one, number) for one in self._known if unit_kind(one) == _PICTURE]
        self._pictures = dict(pictures)
        if len(self._pictures) != len(pictures):
            raise ValueError("two picture parameter sets of one number")
        self._spare = min(set(range(256)) - self._pictures.keys())  # for a stand-in's parameters

    def read(self, packet: bytes) -> CodedPicture:
        """Read a packet's headers.

        Raises:
            ValueError: If anything in it is not understood, or it changes a parameter set. What
                comes after it cannot be trusted then.
        """
        kinds: set[tuple[bool, bool]] = set()
        slices: list[Slice] = []
        for start, end in unit_spans(packet, self._length_bytes):
            kind = packet[start] & 31
            if kind in _SLICES:
                is_reference = packet[start] & 0x60 > 0
                kinds.add((is_reference, kind == _IDR))
                if is_reference:
                    header = packet[start : min(end, start + _HEADER_BYTES)]
                    slices.append(self._read_slice(Bits(header), kind == _IDR))
            elif kind in _PARAMETER_SETS:
                if packet[start:end].rstrip(b"\0") not in self._known:
                    raise ValueError("a parameter set that the container does not store")
            elif kind not in _TELL_NOTHING:
                raise ValueError(f"a NAL unit of type {kind}")
        if len(kinds) != 1 or not _are_one_picture(slices):
            raise ValueError("not one picture")
        return CodedPicture(*kinds.pop(), tuple(slices))

    def stand_in(self, one: Slice) -> bytes:
        """A packet that does to later pictures' references what the picture of a slice does.

        It holds a P-frame that repeats the last reference as it is, which is decoded fast.
        """
        sequence = self.sequence
        modulus = 1 << sequence.frame_num_bits
        parameters = (
            *map(exp_digits, (self._spare, sequence.number)),
            "01",  # CAVLC; bottom fields' times are given
            *map(exp_digits, (0, 0, 0)),  # one slice group, one entry in each list
            "000111100",  # no weights; quantizers as they are; the filter is controlled
        )
        removed = one.removed or ()
        differences = [(one.frame_num - number - 1) % modulus for number in removed]
        picture = (
            *map(exp_digits, (0, 0, self._spare)),  # the first macroblock; P
            f"{one.frame_num:0{sequence.frame_num_bits}b}",
            f"{one.poc_lsb:0{sequence.poc_bits}b}",
            signed_exp_digits(one.poc_delta),
            "00",  # as many entries as usual, in the usual order
            "0" if one.removed is None else "1",
            *(exp_digits(1) + exp_digits(difference) for difference in differences),
            "" if one.removed is None else "1",
            *map(exp_digits, (0, 1, sequence.macroblocks)),  # quantizer; no filter; all skipped
        )
        units = [make_unit(0x68, "".join(parameters)), make_unit(0x41, "".join(picture))]
        return make_packet(units, self._length_bytes)

    def _read_slice(self, bits: Bits, is_idr: bool) -> Slice:
        first_macroblock = bits.exp()
        number = bits.exp(9) % 5
        parameters = self._pictures.get(bits.exp())
        if number >= len(_KINDS) or parameters is None:
            raise ValueError("a slice of unknown kind or parameters")
        kind = _KINDS[number]
        frame_num = bits.take(self.sequence.frame_num_bits)
        if is_idr:
            bits.exp()  # idr_pic_id
        poc_lsb = bits.take(self.sequence.poc_bits)
        poc_delta = bits.signed_exp() if parameters.has_poc_delta else 0
        if kind == "B":
            bits.take(1)  # direct_spatial_mv_pred_flag
        active = _read_active(bits, kind, parameters.active)
        modulus = 1 << self.sequence.frame_num_bits
        named = tuple(_read_named(bits, frame_num, modulus, most) for most in active)
        if parameters.has_weights[kind]:
            _skip_weights(bits, active, self.sequence.has_chroma)
        removed = _read_removed(bits, frame_num, modulus, is_idr)
        return Slice(first_macroblock, kind, frame_num, poc_lsb, poc_delta, active, named, removed)


def _split_extradata(extradata: bytes) -> tuple[int, list[bytes]]:
    """The bytes of a NAL unit's length (0: there are start codes), and the parameter sets."""
    if extradata[:1] != b"\1":
        units = [extradata[start:end] for start, end in unit_spans(extradata, 0)]
        return 0, [one.rstrip(b"\0") for one in units if unit_kind(one) in _PARAMETER_SETS]
    sets: list[bytes] = []
    at = 5
    for mask in (31, 255):  # how many sequence, then picture parameter sets
        if at >= len(extradata):
            raise ValueError("the parameter sets end too early")
        count, at = extradata[at] & mask, at + 1
        for _ in range(count):
            end = at + 2 + int.from_bytes(extradata[at : at + 2])
            if not at + 2 < end <= len(extradata):
                raise ValueError("a parameter set is cut short")
            sets.append(extradata[at + 2 : end].rstrip(b"\0"))
            at = end
    if not all(sets):
        raise ValueError("a parameter set is empty")
    return (extradata[4] & 3) + 1, sets


def _read_sequence(unit: bytes) -> SequenceParameters:
    bits = Bits(unit)
    profile = bits.take(8)
    bits.take(16)  # constraints, level
    number = bits.exp(31)
    chroma_format = 1
    if profile not in _PROFILES:
        raise ValueError(f"profile {profile}")
    if profile != 77:
        chroma_format = bits.exp(3)
        if chroma_format == 3 and bits.take(1):
            raise ValueError("separate colour planes")
        bits.exp(), bits.exp(), bits.take(1)  # bit depths, lossless transform bypass
        if bits.take(1):
            _skip_scaling(bits, 12 if chroma_format == 3 else 8)
    frame_num_bits = bits.exp(12) + 4
    if bits.exp(2) != 0:
        raise ValueError("times of pictures of another type than 0")
    poc_bits = bits.exp(12) + 4
    most_references = bits.exp(16)
    has_gaps = bits.take(1)
    macroblocks = (bits.exp() + 1) * (bits.exp() + 1)
    if has_gaps or not bits.take(1):
        raise ValueError("gaps in the numbers of frames, or fields")
    most_references = max(1, most_references)
    return SequenceParameters(
        number, frame_num_bits, poc_bits, most_references, chroma_format > 0, macroblocks
    )


def _read_picture(unit: bytes, sequence: int) -> tuple[int, PictureParameters]:
    bits = Bits(unit)
    number = bits.exp(255)
    is_known = bits.exp(31) == sequence
    bits.take(1)  # CABAC
    has_poc_delta = bool(bits.take(1))
    slice_groups = bits.exp() + 1
    active = bits.exp(31) + 1, bits.exp(31) + 1
    has_weights = {"P": bits.take(1) == 1, "B": bits.take(2) == 1, "I": False}
    bits.signed_exp(), bits.signed_exp(), bits.signed_exp(), bits.take(2)  # quantizers, filter
    if not is_known or slice_groups > 1 or bits.take(1):
        raise ValueError("another sequence, groups of slices, or redundant pictures")
    return number, PictureParameters(has_poc_delta, active, has_weights)


def _skip_scaling(bits: Bits, lists: int) -> None:
    """Scaling matrices (7.3.2.1.1.1)."""
    for index in range(lists):
        if not bits.take(1):
            continue
        last = upcoming = 8
        for _ in range(16 if index < 6 else 64):
            if upcoming:
                upcoming = (last + bits.signed_exp()) % 256
            last = upcoming or last


def _read_active(bits: Bits, kind: str, default: tuple[int, int]) -> tuple[int, ...]:
    """How many entries each list has: none for an I slice, one list for P, two for B."""
    lists = ("I", "P", "B").index(kind)
    if lists and bits.take(1):
        return tuple([bits.exp(31) + 1 for _ in range(lists)])
    return default[:lists]


def _read_named(bits: Bits, frame_num: int, modulus: int, most: int) -> tuple[int, ...]:
    """What a list begins with (7.3.3.1), from differences to `frame_num`s (8.2.4.3.1)."""
    named: list[int] = []
    if not bits.take(1):
        return ()
    while (operation := bits.exp(3)) != 3:
        difference = bits.exp(modulus) + 1
        if operation > 1 or len(named) == most:
            raise ValueError("a long-term reference, or too many")
        frame_num += difference if operation else -difference
        named.append(frame_num % modulus)
    return tuple(named)


def _skip_weights(bits: Bits, active: Sequence[int], has_chroma: bool) -> None:
    """Explicit weights of the entries (7.3.3.2)."""
    bits.exp()
    if has_chroma:
        bits.exp()
    for _ in range(sum(active)):
        for numbers in (2, 4) if has_chroma else (2,):
            if bits.take(1):
                for _ in range(numbers):
                    bits.signed_exp()


def _read_removed(bits: Bits, frame_num: int, modulus: int, is_idr: bool) -> tuple[int, ...] | None:
    """What stops being a reference after this picture (7.3.3.3)."""
    if is_idr:
        if bits.take(2) & 1:
            raise ValueError("a long-term reference")
        return None
    if not bits.take(1):
        return None
    removed: list[int] = []
    while operation := bits.exp(6):
        if operation != 1:
            raise ValueError("long-term references")
        removed.append((frame_num - bits.exp(modulus) - 1) % modulus)
    return tuple(removed)


def _are_one_picture(slices: Sequence[Slice]) -> bool:
    """Whether the slices of a reference are those of one picture, in order."""
    if not slices:
        return True
    starts = [one.first_macroblock for one in slices]
    told = {(one.frame_num, one.poc_lsb, one.poc_delta, one.removed) for one in slices}
    return starts[0] == 0 and starts == sorted(set(starts)) and len(told) == 1
