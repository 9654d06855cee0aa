"""A 64-bit number for every value of an Arrow column: values that are equal have equal numbers.

Two releases are compared by these, so that neither has to be held in memory. Texts and lists are
hashed by multilinear hashing. Values that differ can share a number, as with any hash of 64 bits;
a change from one of them to the other goes unseen.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_NULL = np.uint64(0x9E3779B97F4A7C15)
_LENGTH = np.uint64(0xD1B54A32D192ED03)  # odd, so that no two lengths weigh the same


def fingerprints(values: pa.Array) -> NDArray[np.uint64]:
    """The fingerprint of each value of a column, or of a piece of one.

    Null equals null, NaN equals NaN, and 0.0 equals -0.0. Comparable between columns of the same
    type only.

    Args:
        values: Of any length; a `pa.Array`, not a chunked one.

    Returns:
        uint64, `(len(values),)`.

    Raises:
        pyarrow.ArrowException: If the type is one that no Parquet file of a release has.
    """
    import pyarrow as pa

    if isinstance(values, pa.ExtensionArray):
        return fingerprints(values.storage)
    hashes = _valid(values)
    if values.null_count:
        hashes[np.asarray(values.is_null())] = _NULL
    return hashes


def combined(columns: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """One fingerprint of several columns: uint64 `(rows,)` from at least one `(rows,)`."""
    weights = _weights(len(columns))
    total = columns[0] * weights[0]
    for column, weight in zip(columns[1:], weights[1 : len(columns)], strict=True):
        total += column * weight
    return _mixed(total)


def _valid(values: pa.Array) -> NDArray[np.uint64]:
    """Fingerprints that mean something where the value is not null."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _of_dictionary(values)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_dictionary(values.dictionary_encode())  # most texts repeat: a model, a hash
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _of_images(values)
    if pa.types.is_struct(kind):
        return combined([fingerprints(field) for field in values.flatten()] or [_zeros(values)])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _of_lists(values)
    if pa.types.is_null(kind):
        return _zeros(values)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return _of_numbers(values)
    return _of_bytes(values.cast(pa.string()))


def _zeros(values: pa.Array) -> NDArray[np.uint64]:
    return np.zeros(len(values), np.uint64)


def _of_numbers(values: pa.Array) -> NDArray[np.uint64]:
    import pyarrow as pa

    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    numbers = np.asarray(values.fill_null(0) if values.null_count else values)
    if numbers.dtype.kind == "f":
        numbers = numbers.astype(np.float64) + 0.0  # -0.0 becomes 0.0
        numbers[np.isnan(numbers)] = np.nan  # of the many NaNs, one
        return _mixed(numbers.view(np.uint64))
    return _mixed(numbers.astype(np.int64).view(np.uint64))


def _of_dictionary(values: pa.DictionaryArray) -> NDArray[np.uint64]:
    import pyarrow as pa

    words, codes = values.dictionary, values.indices
    if not len(words):
        return _zeros(values)
    if pa.types.is_string(words.type) or pa.types.is_large_string(words.type):
        hashes = _of_bytes(words)
    else:
        hashes = fingerprints(words)
    if words.null_count:
        hashes[np.asarray(words.is_null())] = _NULL
    picked: NDArray[np.uint64] = hashes[np.asarray(codes.fill_null(0))]
    return picked


def _of_bytes(values: pa.Array) -> NDArray[np.uint64]:
    import pyarrow as pa

    if not len(values):
        return _zeros(values)
    values = values.cast(pa.large_binary())
    _, at, data = values.buffers()
    offsets = np.frombuffer(at, np.int64)[values.offset :][: len(values) + 1]
    if data is None:
        return _sums(np.zeros(0, np.uint64), offsets - offsets[0])
    held = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return _sums(held.astype(np.uint64), offsets - offsets[0])


def _of_images(values: pa.Array) -> NDArray[np.uint64]:
    """Of bytes that are long: one call each costs less than numbers eight times their size."""
    digests = [
        hashlib.blake2b(value.as_buffer() or b"", digest_size=8).digest() for value in values
    ]
    return np.frombuffer(b"".join(digests), np.uint64).copy()


def _of_lists(lists: Any) -> NDArray[np.uint64]:
    import pyarrow.compute as pc

    lengths = np.asarray(pc.list_value_length(lists).fill_null(0))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return _sums(fingerprints(lists.flatten()), offsets)  # flatten() leaves out null lists


def _sums(words: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One number for each `words[offsets[i]:offsets[i + 1]]`, by place and length; wraps at 2^64.

    Args:
        words: uint64 `(n,)`.
        offsets: int64 `(rows + 1,)`, from 0 to n.
    """
    lengths = np.diff(offsets)
    place = np.arange(len(words)) - np.repeat(offsets[:-1], lengths)
    words = words * _weights(int(lengths.max(initial=0)))[place]
    until = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words, dtype=np.uint64)])
    return _mixed(until[offsets[1:]] - until[offsets[:-1]] + lengths.astype(np.uint64) * _LENGTH)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64: one to one, and every bit depends on every bit."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _weights(count: int) -> NDArray[np.uint64]:
    """Pseudorandom uint64, at least `count`, and always the same."""
    return _weight_table(max(count, 1024).bit_length())


@lru_cache(maxsize=4)
def _weight_table(bits: int) -> NDArray[np.uint64]:
    return _mixed(np.arange(1, 2**bits + 1, dtype=np.uint64) * _NULL)
