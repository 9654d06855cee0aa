"""How many frames at once: growing while that pays, halving where memory ends."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_CPU_SIZE = 8  # where a CPU with bfloat16 is saturated by a BLIP-base-sized model
_GPU_SIZE = 16
_MOST = 512
_WORTH = 1.05  # a doubling must give this many times the frames a second
_TOLD = (
    *("DefaultCPUAllocator: can't allocate memory", "MPS backend out of memory"),
    *("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
)
_TRIALS = 2  # full batches timed at a size; the first one pays for warming up


class BatchSizer:
    """Chooses batch sizes, from what the batches so far have shown.

    On a GPU the size doubles while frames a second keep improving. Running out of memory halves
    it, for good, and the same frames are tried again; a fixed size is halved like any other.

    Args:
        size: Frames in the first batch.
        grows: Whether more may be tried.
        clock: Seconds, for timing batches.
        item: What is counted, if not frames.
        most: How far it may grow.
    """

    def __init__(
        self,
        size: int,
        *,
        grows: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        item: str = "frame",
        most: int = _MOST,
    ) -> None:
        self._item = item
        self.size = size
        self.limit = most if grows else size
        self._clock = clock
        self._best = 0.0  # frames a second, at half this size
        self._rates: list[float] = []  # frames a second, of full batches at this size

    @classmethod
    def for_device(
        cls, device: torch.device, fixed: int | None, *, item: str = "frame", most: int = _MOST
    ) -> BatchSizer:
        """A size that was asked for; else what suits the device, growing on a GPU."""
        if fixed is not None:
            return cls(fixed, item=item)
        on_cpu = device.type == "cpu"
        return cls(_CPU_SIZE if on_cpu else _GPU_SIZE, grows=not on_cpu, item=item, most=most)

    def run(
        self, items: Sequence[Item], compute: Callable[[Sequence[Item]], list[Result]]
    ) -> list[Result]:
        """Results of all items, in order, computed batch by batch.

        Raises:
            CaptionerError: If a single item does not fit into memory.
        """
        results: list[Result] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.size]
            began = self._clock()
            try:
                results += compute(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            else:
                self._succeeded(len(batch), self._clock() - began)
                continue
            # Only here is the exception gone, and with it the frames that held the tensors.
            self._failed(len(batch))
        return results

    def _succeeded(self, count: int, seconds: float) -> None:
        if count < self.size or self.size >= self.limit:
            return
        self._rates.append(count / max(seconds, 1e-9))
        if len(self._rates) < _TRIALS:
            return
        rate = max(self._rates)
        self._rates = []
        if rate >= self._best * _WORTH:
            self._best = rate
            self.size = min(self.size * 2, self.limit)
        else:
            self.size = self.limit = self.size // 2

    def _failed(self, count: int) -> None:
        release_memory()
        if count == 1:
            raise CaptionerError(
                f"out of memory at a single {self._item}",
                hint="a smaller --model, --dtype bfloat16, fewer --beams or --samples,"
                " or another --device",
            )
        self.limit = count // 2
        self.size = min(self.size, self.limit)
        self._rates = []


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: by type; by text where PyTorch has no type of its own for it.

    That is on the CPU and MPS, and with CUDA where not PyTorch's allocator asked for the memory:
    for pinned memory, a kernel's code, or what cuBLAS and cuDNN work in.
    """
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TOLD)


def release_memory() -> None:
    """Give memory that nothing uses any more back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
