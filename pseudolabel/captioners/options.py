"""How captions are generated: frozen options, contradictions refused once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from pseudolabel.errors import OptionError

DEFAULT_MODEL = "Salesforce/blip-image-captioning-base"

DType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """Which captioner, and how it decodes. Greedy unless said otherwise."""

    model: str = DEFAULT_MODEL  # NAME_OR_PATH[@revision], video: before one, server:..., or demo
    prompt: str | None = None  # None: the model's own default
    max_new_tokens: int = 30
    beams: int = 1
    samples: int = 1  # texts a frame, or a clip that is seen as a whole; more than 1 samples
    top_p: float = 0.95  # used when sampling
    temperature: float = 0.7  # used when sampling
    seed: int = 0
    dtype: DType = "auto"  # bfloat16 on a GPU or a CPU that has it natively, else float32
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    batch_size: int | None = None  # None: grows to what fits
    trust_remote_code: bool = False  # run code that comes with the weights
    concurrency: int = 16  # requests in flight, for a server
    timeout_s: float = 120.0  # of one request to a server

    def __post_init__(self) -> None:
        def check(ok: bool, what: str, hint: str) -> None:
            if not ok:
                raise OptionError(what, hint=hint)

        check(bool(self.model), "--model must not be empty", f"--model {DEFAULT_MODEL}")
        for name in ("max_new_tokens", "beams", "samples", "concurrency"):
            value = getattr(self, name)
            flag = "--" + name.replace("_", "-")
            check(value >= 1, f"{flag} {value}: must be 1 or more", f"{flag} 1")
        check(
            self.batch_size is None or self.batch_size >= 1,
            f"--batch-size {self.batch_size}: must be 1 or more",
            "--batch-size auto",
        )
        check(0 < self.top_p <= 1, f"--top-p {self.top_p}: must be in (0, 1]", "--top-p 0.95")
        check(
            self.temperature > 0 and math.isfinite(self.temperature),
            f"--temperature {self.temperature}: must be above 0",
            "leave --samples at 1 for greedy captions",
        )
        check(
            self.beams == 1 or self.samples == 1,
            f"--beams {self.beams} with --samples {self.samples}: beams do not sample",
            "use one of the two",
        )
        check(
            self.dtype in get_args(DType),
            f"--dtype {self.dtype}: not a number format",
            f"one of: {', '.join(get_args(DType))}",
        )
        check(self.timeout_s > 0, f"--timeout {self.timeout_s}: must be above 0", "--timeout 120")

    @property
    def is_sampling(self) -> bool:
        """Whether texts are drawn, rather than searched for."""
        return self.samples > 1
