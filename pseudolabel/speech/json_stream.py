"""JSON that is too large to load: the members of one great object, one after the other."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

_CHUNK_CHARS = 1 << 20
_NEAR_END_CHARS = 12  # "-Infinity" or "\ud83d\ude00" may be cut
_SPACE = re.compile(r"[ \t\r\n]*")
_LONGEST_INTEGER = 400  # digits; far beyond every float


def _integer(digits: str) -> float:
    """Python refuses very long integers, quadratic as they are to read."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else math.inf


_DECODER = json.JSONDecoder(parse_int=_integer, strict=False)  # bare line ends in texts are common


def load_json(text: str) -> Any:
    """A whole document.

    Raises:
        ValueError: If it is no JSON.
        RecursionError: If it is nested too deep.
    """
    return _DECODER.decode(text)


def iter_members(read: Callable[[int], str]) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object, as they come; a name that comes twice is given twice.

    Holds one member and a chunk of text at a time. The standard library's decoder does the work:
    faster libraries for streams give up at NaN and at bytes that are not UTF-8, both of which
    corpora hold.

    Args:
        read: Gives the next characters, at most as many as it is asked for; "" at the end.

    Raises:
        ValueError: If it is no JSON object, with about where; what was before it is given.
        RecursionError: If a member is nested too deep.
    """
    source = _Source(read)
    source.expect("{", "an object of videos")
    goes_on = not source.take("}")
    while goes_on:
        if source.peek() != '"':
            raise source.error("expected the name of a video")
        name = source.value()
        source.expect(":", "':'")
        yield name, source.value()
        goes_on = not source.take("}")
        if goes_on:
            source.expect(",", "',' or '}'")
    if source.peek():
        raise source.error("something follows the end")


class _Source:
    """A stream of characters with a place in it."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self._text = ""
        self._at = 0
        self._passed = 0  # characters that are no longer held
        self._ended = False

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, character: str) -> bool:
        """Go past a character, if it is the next one."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def expect(self, character: str, what: str) -> None:
        """Go past a character that must come now."""
        if not self.take(character):
            raise self.error(f"expected {what}")

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_cut(error) and self._more():
                    continue
                raise self.error(error.msg, error.pos) from None
            # A number may go on behind the end of what was read.
            if end < len(self._text) or not self._more():
                self._at = end
                return value

    def error(self, message: str, position: int | None = None) -> ValueError:
        """A complaint that says where."""
        at = self._passed + (self._at if position is None else position)
        cut = " (the file ends here)" if self._ended and self._is_end(position) else ""
        return ValueError(f"broken JSON at about character {at:,}: {message}{cut}")

    def _is_end(self, position: int | None) -> bool:
        at = self._at if position is None else position
        return at >= len(self._text) - _NEAR_END_CHARS

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether it may be right once more is read. Damage in the middle is not waited out."""
        return error.msg.startswith("Unterminated string") or self._is_end(error.pos)

    def _more(self) -> bool:
        """Read on; at least as much as is held, so that long values are not read over and over."""
        held = self._text[self._at :]
        added = "" if self._ended else self._read(max(_CHUNK_CHARS, len(held)))
        self._ended = not added
        if added:
            self._passed += self._at
            self._text, self._at = held + added, 0
        return bool(added)
