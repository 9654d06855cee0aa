"""Batch sizes: growing, halving, remembering; and a captioner that runs out of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from pseudolabel.captioners.batching import BatchSizer, is_out_of_memory
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captioners.transformers_captioner import TransformersCaptioner
from pseudolabel.errors import CaptionerError
from tiny_models import noise_frame

CPU_OUT_OF_MEMORY = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory"
)
# As CUDA says it where PyTorch's own allocator was not asked: of pinned memory, and of a workspace.
PINNED_OUT_OF_MEMORY = torch.AcceleratorError(
    "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in the CUDA manual"
)
CUBLAS_OUT_OF_MEMORY = RuntimeError(
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
)


class Clock:
    """Seconds that pass only when told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _run(sizer: BatchSizer, clock: Clock, seconds: Callable[[int], float], count: int) -> list[int]:
    """Sizes of the batches in which `count` items were computed."""
    sizes: list[int] = []

    def compute(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        clock.now_s += seconds(len(batch))
        return list(batch)

    assert sizer.run(range(count), compute) == list(range(count))
    return sizes


def test_it_doubles_while_frames_a_second_improve() -> None:
    clock = Clock()
    sizer = BatchSizer(16, grows=True, clock=clock)
    sizes = _run(sizer, clock, lambda n: 1.0 if n <= 64 else n / 64, 2000)
    assert sizes[:6] == [16, 16, 32, 32, 64, 64]
    assert max(sizes) == 128, "one size too many is tried"
    assert sizer.size == 64, "and given up, since it was no faster"


def test_it_stops_at_512() -> None:
    clock = Clock()
    sizer = BatchSizer(16, grows=True, clock=clock)
    assert max(_run(sizer, clock, lambda n: 1.0, 10_000)) == 512


def test_a_fixed_size_stays() -> None:
    clock = Clock()
    assert set(_run(BatchSizer(5, clock=clock), clock, lambda n: 1.0, 100)) == {5}


def test_a_partial_batch_is_no_measurement() -> None:
    clock = Clock()
    sizer = BatchSizer(16, grows=True, clock=clock)
    for _ in range(10):
        _run(sizer, clock, lambda n: 1.0, 15)
    assert sizer.size == 16


@pytest.mark.parametrize(
    "error",
    [
        *(torch.OutOfMemoryError(), MemoryError(), CPU_OUT_OF_MEMORY),
        *(PINNED_OUT_OF_MEMORY, CUBLAS_OUT_OF_MEMORY),
    ],
)
def test_out_of_memory_halves_for_good_and_loses_nothing(error: Exception) -> None:
    tried: list[int] = []

    def compute(batch: Sequence[int]) -> list[int]:
        tried.append(len(batch))
        if len(batch) > 5:
            raise error
        return list(batch)

    sizer = BatchSizer(16, grows=True, clock=Clock())
    assert sizer.run(range(50), compute) == list(range(50))
    assert tried == [16, 8, 4, *[4] * 11, 2]
    assert sizer.size == 4


def test_other_errors_are_not_memory() -> None:
    def compute(batch: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        BatchSizer(4).run(range(4), compute)
    assert not is_out_of_memory(ValueError("DefaultCPUAllocator: can't allocate memory"))


def test_one_frame_that_does_not_fit_is_an_error() -> None:
    def compute(batch: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError

    with pytest.raises(CaptionerError, match="single frame") as raised:
        BatchSizer(4).run(range(4), compute)
    assert "--dtype bfloat16" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("batch_size", "error"),
    [
        (None, torch.OutOfMemoryError("injected")),
        (7, torch.OutOfMemoryError("injected")),
        (None, PINNED_OUT_OF_MEMORY),
        (None, CUBLAS_OUT_OF_MEMORY),
    ],
)
def test_a_captioner_that_runs_out_of_memory_goes_on(
    batch_size: int | None,
    error: Exception,
    captioner: Callable[..., TransformersCaptioner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = [noise_frame(seed, height=32, width=32) for seed in range(20)]
    loaded = captioner("vit_gpt2", batch_size=batch_size)
    wanted = [_text(answer) for answer in loaded.caption(frames)]
    generate = loaded.generator.model.generate

    def fails_above_three(**inputs: Any) -> Any:
        if len(inputs["pixel_values"]) > 3:
            raise error
        return generate(**inputs)

    monkeypatch.setattr(loaded.generator.model, "generate", fails_above_three)
    assert [_text(answer) for answer in loaded.caption(frames)] == wanted
    assert loaded.batch_size <= 3


def _text(answer: Any) -> str:
    assert not isinstance(answer, Refusal), answer
    return str(answer[0].text)
