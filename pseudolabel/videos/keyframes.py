"""Where the keyframes are: from the container's index, or by looking at packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pseudolabel.videos.track import Track

_FIRST_STEP_BACK_S = 1.0


class KeyframeFinder:
    """Finds keyframes of a track by time, decoding nothing.

    An index that lists every packet (MP4, MOV) answers at once. It has decoding times only, so
    what it says of presentation times is a guess from the first keyframe, and `distrust` is
    called when the guess was wrong. Other containers are looked through around the time.
    """

    def __init__(self, track: Track, first_key_shift: int) -> None:
        self._track = track
        self._shift = first_key_shift
        self._is_indexed = track.is_index_complete and track.timing == "pts"

    def distrust(self) -> None:
        """Stop using the index: a keyframe was not where it said."""
        self._is_indexed = False

    def indexed_before(self, pts: int) -> int | None:
        """The last keyframe at or before `pts` as the index has it; None: not known."""
        return self._search(pts, backward=True) if self._is_indexed else None

    def nearest(self, pts: int, low: int, high: int) -> int | None:
        """The keyframe nearest to `pts` in `[low, high)`, the earlier of two; None: none there."""
        if self._track.timing != "pts":
            return None  # what has no presentation times has no keyframes that could be named
        if self._is_indexed:
            around = [self._search(pts, backward=backward) for backward in (True, False)]
        else:
            around = [*self._look(pts, low, high)]
        keys = [key for key in around if key is not None and low <= key < high]
        return min(keys, key=lambda key: (abs(key - pts), key), default=None)

    def _search(self, pts: int, *, backward: bool) -> int | None:
        entries = self._track.stream.index_entries
        at = entries.search_timestamp(pts - self._shift, backward=backward)
        if at < 0 or entries[at].is_discard:
            return None
        return entries[at].timestamp + self._shift

    def _look(self, pts: int, low: int, high: int) -> list[int]:
        """Keyframes around `pts` in `[low, high)`, read from packets."""
        track = self._track
        margin = track.ticks(_FIRST_STEP_BACK_S)  # a packet comes this much before its time at most
        back = 0
        while True:
            if not track.seek(pts - back):
                track.rewind()
            found, starts_at = self._read_keys(pts, low, high)
            settled = starts_at is None or starts_at <= low or back > pts - low + margin
            if settled or any(key <= pts for key in found):
                return found
            back = max(margin, back * 3)

    def _read_keys(self, pts: int, low: int, high: int) -> tuple[list[int], int | None]:
        """Keys from here that matter, and the timestamp at which reading began."""
        found: list[int] = []
        starts_at: int | None = None
        for packet in self._track.packets():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                continue
            starts_at = stamp if starts_at is None else starts_at
            if packet.is_keyframe and not packet.is_discard and low <= stamp < high:
                found.append(stamp)
            reached = packet.dts if packet.dts is not None else stamp - self._track.ticks(1)
            best = min((abs(key - pts) for key in found), default=None)
            # Later packets are shown later than this one is decoded.
            if reached >= high or (reached > pts and best is not None and reached - pts > best):
                break
        return found, starts_at
