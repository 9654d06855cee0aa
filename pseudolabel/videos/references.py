"""Which reference pictures of an H.264 stream need not be decoded, proved from its headers.

In a B-pyramid some B-frames are references, and a decoder that skips only what is no reference
decodes them all. With one reference a frame, as the faster presets of x264 have it, nothing but
the B-frames next to them uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pseudolabel.videos.h264 import CodedPicture, HeaderReader, Slice

# Packets read since a picture was replaced, after which no more are: in most streams none can
# be, and reading headers is not free.
_PATIENCE = 200


@dataclass(slots=True, eq=False)
class Reference:
    """A reference picture, and what is known of those that may refer to it."""

    header: Slice  # its first
    poc: int  # picture order count: in this order pictures are shown
    needed_until: int  # the latest pts of itself and of the non-references that may refer to it
    is_pinned: bool  # decoded whoever refers to it
    is_released: bool = False  # none read from here on can refer to it
    # References that may refer to it; they have users, too, so these are not to be printed.
    users: list[Reference] = field(default_factory=list, repr=False)


class References:
    """Follows the decoder's reference pictures, as packets are read in decoding order.

    A B-frame can be replaced for a target time if no picture that is decoded for this or any
    later target refers to it, itself or through others. Decoded are, of the references, those
    with a slice that is not B, and B-frames that are not replaced; of the others, targets. So a
    B-frame is needed if it is the target or shown later; if a reference with another slice may
    refer to it, or a non-reference that is the target or shown later, or a B-frame that is needed
    itself; and as long as pictures still unread may refer to it. "May refer" is having it in an
    active list, which covers prediction and the motion that direct mode borrows. Targets only
    grow, so what was not needed never will be.

    The lists are those of section 8.2.4, from the marks of 8.2.5 since the last IDR picture; a
    non-reference counts as referring to all that is marked. Where the lists are not certain (no
    IDR picture yet, damage, anything not understood), nothing is replaced. What replaces a
    picture has its number, time and marks, so the lists of all others stay as they are. (Leaving
    it out would not do: FFmpeg fills the gap with a picture of another time, which changes the
    weights of B-frames.)
    """

    def __init__(self, headers: HeaderReader) -> None:
        self._headers = headers
        self._modulus = 1 << headers.sequence.frame_num_bits
        self._patience = _PATIENCE
        self.restart()

    @property
    def is_over(self) -> bool:
        """Whether no picture that is read from here on will be replaced."""
        return not self._patience

    def restart(self) -> None:
        """Forget what was read: the next packet is from another place."""
        self._held: list[Reference] | None = None  # marked, oldest first; None: not known
        self._last = (-1, 0, 0)  # the last reference's frame_num, POC's high and low part

    def read(self, packet: bytes, pts: int) -> Reference | None:
        """Take in the next packet in decoding order.

        Returns:
            What to ask `stand_in` for; None: it is no reference, or nothing is known.
        """
        if self.is_over:
            return None
        self._patience -= 1
        try:
            return self._take_in(self._headers.read(packet), pts)
        except ValueError:
            self._patience = 0
            return None
        finally:
            if self.is_over:
                self._give_up()

    def stand_in(self, picture: Reference, target: int, *, is_last: bool) -> bytes | None:
        """A packet that is decoded faster than the picture's own, with the same consequences.

        Args:
            picture: What is to be fed to the decoder next.
            target: The pts of the earliest frame that is wanted from now on.
            is_last: Nothing is decoded beyond the target, whose packet was read.

        Returns:
            The packet; None: what the picture shows may matter.
        """
        pending, seen = [picture], {picture}
        while pending:
            one = pending.pop()
            if one.is_pinned or one.needed_until >= target or not (one.is_released or is_last):
                return None
            pending += [user for user in one.users if user not in seen]
            seen.update(one.users)
        if self._patience:
            self._patience = _PATIENCE
        return self._headers.stand_in(picture.header)

    def _take_in(self, coded: CodedPicture, pts: int) -> Reference | None:
        if coded.is_idr:
            _release(self._held or ())
            self.restart()
            self._held = []
        if self._held is not None and coded.is_reference:
            return self._add(self._held, coded, pts)
        for reference in self._held or ():
            reference.needed_until = max(reference.needed_until, pts)
        return None

    def _give_up(self) -> None:
        """From here on anything may refer to what is marked."""
        for reference in self._held or ():
            reference.is_pinned = True
        self._held = None

    def _add(self, held: list[Reference], coded: CodedPicture, pts: int) -> Reference:
        first = coded.slices[0]
        frame_num, high, low = self._last
        if first.frame_num != (frame_num + 1) % self._modulus:
            raise ValueError("frames are missing")
        self._last = (first.frame_num, self._high_part(first, high, low), first.poc_lsb)
        poc = self._last[1] + first.poc_lsb + min(0, first.poc_delta)
        is_bidirectional = all(one.kind == "B" for one in coded.slices)
        picture = Reference(first, poc, pts, not is_bidirectional)
        for used in set().union(*(_active(one, held, poc) for one in coded.slices)):
            used.users.append(picture)
        self._mark(held, first.removed)
        held.append(picture)
        return picture

    def _high_part(self, first: Slice, high: int, low: int) -> int:
        """What of the picture order count is not in the slice (8.2.1.1)."""
        span = 1 << self._headers.sequence.poc_bits
        if low - first.poc_lsb >= span // 2:
            return high + span
        return high - span if first.poc_lsb - low > span // 2 else high

    def _mark(self, held: list[Reference], removed: Sequence[int] | None) -> None:
        """Unmark references (8.2.5), to make room for one more."""
        most = self._headers.sequence.most_references
        gone = held[: max(0, len(held) + 1 - most)]
        if removed is not None:
            gone = [_named(held, frame_num) for frame_num in removed]
        kept = [reference for reference in held if reference not in gone]
        if len(kept) >= most:
            raise ValueError("more references than are allowed")
        held[:] = kept
        _release(gone)


def _release(references: Iterable[Reference]) -> None:
    for reference in references:
        reference.is_released = True


def _active(one: Slice, held: Sequence[Reference], poc: int) -> set[Reference]:
    """What a slice may refer to (8.2.4)."""
    initial = _in_both_directions(held, poc) if one.kind == "B" else [list(reversed(held))]
    active: set[Reference] = set()
    for count, numbers, whole in zip(one.active, one.named, initial, strict=False):
        named = [_named(held, frame_num) for frame_num in numbers]
        entries = named + [reference for reference in whole if reference not in named]
        if len(entries) < count:
            raise ValueError("references are missing")
        active.update(entries[:count])
    return active


def _in_both_directions(held: Sequence[Reference], poc: int) -> list[list[Reference]]:
    """The two lists of a B slice, as they are before any is named (8.2.4.2.3)."""
    by_poc = sorted(held, key=lambda reference: reference.poc)
    before = [reference for reference in reversed(by_poc) if reference.poc <= poc]
    after = [reference for reference in by_poc if reference.poc > poc]
    first, second = before + after, after + before
    if first == second and len(second) > 1:
        second[:2] = second[1], second[0]
    return [first, second]


def _named(held: Sequence[Reference], frame_num: int) -> Reference:
    for reference in held:
        if reference.header.frame_num == frame_num:
            return reference
    raise ValueError(f"no reference {frame_num}")
