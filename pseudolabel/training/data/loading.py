"""Batches of examples, read in processes beside, in an order that is known beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np

from pseudolabel.errors import InputError
from pseudolabel.training.data.examples import Broken, Example, Examples
from pseudolabel.training.data.options import processes_here
from pseudolabel.training.data.order import BatchSampler, Pick

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader

    from pseudolabel.training.data.options import Kind

AnyBatch = TypeVar("AnyBatch", bound=Mapping[str, Any])

MOST_NAMED = 10  # of what is broken; the rest is counted
_BATCHES_AHEAD = 4  # a process
_SHARED_SHARE = 0.8  # of what is free there


class Batch(TypedDict):
    """Examples of one kind."""

    pixels: torch.Tensor  # uint8 RGB (B, T, S, S, 3)
    text: list[str]
    id: list[str]
    replaced: list[Broken]  # examples that others of the batch stand for
    failed: list[Broken]  # not empty: there is no batch, and nothing but these broken examples


@dataclass(slots=True)
class Tally:
    """What was broken while learning."""

    replaced: int = 0  # times that an example was broken
    broken: dict[str, str] = field(default_factory=dict)  # id and why, each once

    def add(self, broken: Iterable[Broken]) -> None:
        """Count some."""
        for one in broken:
            self.replaced += 1
            self.broken.setdefault(one.id, one.why)

    def join(self, other: Tally) -> None:
        """Count what another process counted."""
        self.replaced += other.replaced
        self.broken = {**other.broken, **self.broken}

    def lines(self) -> list[str]:
        """What the user should know, a line each; nothing if nothing was broken."""
        if not self.broken:
            return []
        told = [f"{len(self.broken):,} examples are broken, and others were taken instead:"]
        told += [f"  {id}: {why}" for id, why in list(self.broken.items())[:MOST_NAMED]]
        if len(self.broken) > MOST_NAMED:
            told.append(f"  and {len(self.broken) - MOST_NAMED:,} more")
        return told


def make_loader(
    examples: Examples,
    batches: BatchSampler | Sequence[Sequence[Pick]],
    *,
    workers: int,
    collate: Callable[[list[Example]], Any] | None = None,
    pin_memory: bool = False,
) -> DataLoader[Example]:
    """Reads batches in worker processes, a few ahead, in their order.

    The batches are the same whatever the number of workers. Signals that end the program do not
    reach the workers: the process that they work for ends them.

    Args:
        examples: What is read.
        batches: Their keys, such as a `BatchSampler`.
        workers: Processes; 0: this one reads. Fewer, where shared memory (/dev/shm, which is small
            in a container) does not hold their batches.
        collate: Makes a batch of examples, in a worker; None: `collated`.
        pin_memory: For copies to a GPU.
    """
    import torch

    from pseudolabel.training.data.readers import ReadersLoader, begin_reader

    size = batches.size if isinstance(batches, BatchSampler) else max(map(len, batches), default=1)
    workers, ahead = fitting_workers(workers, size * examples.bytes_each, _free_shared_bytes())
    return ReadersLoader(
        examples,  # type: ignore[arg-type]  # a data set by what it does
        batch_sampler=batches,  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=collate or collated,
        pin_memory=pin_memory,
        prefetch_factor=ahead if workers else None,
        worker_init_fn=begin_reader,
        # Seeds for its processes come from here, not from the numbers that dropout draws.
        generator=torch.Generator(),
    )


def fitting_workers(workers: int, batch_bytes: int, free_bytes: int) -> tuple[int, int]:
    """How many processes may read, and how many batches ahead each, so that those fit in memory.

    Besides those that wait, one batch is being used, and one a process is being made.
    """
    room = int(free_bytes * _SHARED_SHARE) // max(1, batch_bytes) - 1
    fitting = min(workers, room // 2)
    return max(0, fitting), max(1, min(_BATCHES_AHEAD, room // max(1, fitting) - 1))


def collated(examples: list[Example]) -> Batch:
    """A batch of examples of one kind."""
    import torch

    failed = [
        broken
        for example in examples
        if example["pixels"] is None
        for broken in example["replaced"]
    ]
    pixels = [example["pixels"] for example in examples if example["pixels"] is not None]
    return Batch(
        pixels=torch.from_numpy(np.stack(pixels)) if not failed else torch.empty(0),
        text=[example["text"] for example in examples],
        id=[example["id"] for example in examples],
        replaced=[broken for example in examples for broken in example["replaced"]],
        failed=failed,
    )


def checked(batches: Iterable[AnyBatch], tally: Tally) -> Iterator[AnyBatch]:
    """The same batches; counts what was replaced in them.

    Args:
        batches: As `collated` makes them; other entries may stand beside.
        tally: Counts.

    Raises:
        InputError: If so many examples in a row are broken that it is no chance.
    """
    for batch in batches:
        tally.add(batch["replaced"])
        if batch["failed"]:
            last = batch["failed"][-1]
            raise InputError(
                f"{len(batch['failed'])} examples in a row cannot be read, the last one {last.id}: "
                f"{last.why}",
                hint="see whether the disk with the videos is still there",
            )
        yield batch


def everything(examples: Examples, kind: Kind, batch_size: int) -> list[list[Pick]]:
    """The keys of all examples of a kind in their order, in batches; the last may be smaller."""
    picks = [Pick(kind, row, row) for row in range(examples.sizes[kind])]
    return [picks[first : first + batch_size] for first in range(0, len(picks), batch_size)]


def _free_shared_bytes() -> int:
    """What this process may use where tensors are shared; much, where that cannot be told."""
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return 1 << 40
    return status.f_bavail * status.f_frsize // processes_here()  # each asks before any has taken
