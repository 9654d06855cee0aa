"""How a captioner learns: frozen options, contradictions refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from pseudolabel.errors import OptionError

TrainDtype = Literal["auto", "float32", "bfloat16"]
DEFAULT_ENCODER = "facebook/timesformer-base-finetuned-k400"
DEFAULT_LANGUAGE_MODEL = "facebook/opt-350m"
_MOST_SEED = 2**32 - 1  # NumPy's, which transformers seeds with the same


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What learns: a captioner that has learned before, or two checkpoints, newly joined.

    Raises:
        OptionError: If both are given.
    """

    init: str | None = None  # what `train` wrote, here or on the Hub
    encoder: str | None = None  # a TimeSformer; None with no init: the default one
    language_model: str | None = None  # an OPT
    adapter_every: int | None = None  # layers of the language model; None: before each
    train_encoder: bool = False
    train_lm: bool = False

    def __post_init__(self) -> None:
        parts = {
            "--encoder": self.encoder,
            "--language-model": self.language_model,
            "--adapter-every": self.adapter_every,
        }
        for option, value in parts.items():
            if self.init is not None and value is not None:
                raise OptionError(
                    f"{option} {value} with --init {self.init}: that one is joined already",
                    hint=f"leave {option} out",
                )


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Steps, batches and rates; defaults are for adapters on one GPU.

    Raises:
        OptionError: If a value, or a pair of them, is not allowed.
    """

    steps: int | None = None  # of the optimizer; None: by `epochs`
    epochs: float = 1.0  # times that everything comes at least, where `steps` does not say
    batch_size: int = 32  # examples of a process at a time
    accumulate: int = 1  # batches of a step
    learning_rate: float = 1e-4  # the highest; it rises, then falls as a cosine to 0
    warmup: float = 0.03  # share of the steps in which it rises
    weight_decay: float = 0.01
    max_norm: float = 1.0  # of the gradient, beyond which it is scaled down
    max_tokens: int = 40  # of a caption; what is longer is cut
    checkpointing: bool = False  # recompute activations instead of keeping them
    dtype: TrainDtype = "auto"  # of the computation; weights are float32
    device: str = "auto"
    evaluate_every: int = 500  # steps; 0: never
    evaluate_clips: int = 200  # at most, of the held-out split
    patience: int = 0  # evaluations without a better CIDEr until it stops; 0: never
    save_every: int = 500  # steps, where nothing is evaluated
    keep: int = 2  # newest checkpoints, beside the best
    seed: int = 0

    def __post_init__(self) -> None:
        least: dict[str, float] = {
            **{"steps": 1, "batch_size": 1, "accumulate": 1, "max_tokens": 2, "save_every": 1},
            **{"evaluate_every": 0, "evaluate_clips": 1, "patience": 0, "keep": 1, "seed": 0},
        }
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise OptionError(f"{_option(name)} {value}: must be {low:g} or more")
        for name in ("epochs", "learning_rate", "max_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise OptionError(
                    f"{_option(name)} {getattr(self, name):g}: must be above 0, and a finite number"
                )
        if not 0 <= self.warmup < 1:
            raise OptionError(
                f"--warmup {self.warmup:g}: a share of the steps, 0 or more and below 1",
                hint="--warmup 0.03",
            )
        if not 0 <= self.weight_decay < math.inf:
            raise OptionError(f"--weight-decay {self.weight_decay:g}: must be 0 or more")
        if self.seed > _MOST_SEED:
            raise OptionError(f"--seed {self.seed}: must be {_MOST_SEED} or less")
        if self.dtype not in get_args(TrainDtype):
            raise OptionError(
                f"--dtype {self.dtype}: not a format to compute in",
                hint="one of: " + ", ".join(get_args(TrainDtype)),
            )
        if self.patience and not self.evaluate_every:
            raise OptionError(
                "--patience with --evaluate-every 0: nothing would be evaluated",
                hint="--evaluate-every 500",
            )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
