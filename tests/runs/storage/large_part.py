"""Writes a part that takes its time to be sent, in a process of its own: OUT PART BYTES."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa

from pseudolabel.contract import skipped_schema
from pseudolabel.runs.floor import floor_schema
from pseudolabel.runs.storage.writer import PartWriter

MIB = 2**20


def large(size: int) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Rows of a part of so many bytes, which zstd cannot make fewer; any columns will do."""
    random = np.random.default_rng(1)
    noise = pa.array([random.bytes(MIB) for _ in range(size // MIB)])
    clips = pa.table({"video_id": pa.array(map(str, range(len(noise)))), "noise": noise})
    return clips, skipped_schema().empty_table(), floor_schema().empty_table()


if __name__ == "__main__":
    PartWriter(sys.argv[1]).write_rows(int(sys.argv[2]), *large(int(sys.argv[3])))
