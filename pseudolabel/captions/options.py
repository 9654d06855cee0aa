"""How the captions of frames become the caption of a clip: frozen options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pseudolabel.errors import OptionError

StrategyName = Literal["center", "medoid", "best", "timeline", "llm"]


@dataclass(frozen=True, slots=True)
class ConsolidateOptions:
    """Which strategy, and what it needs.

    Raises:
        OptionError: If a value is not allowed, or an option does not belong to the strategy.
    """

    strategy: StrategyName = "center"  # see `pseudolabel.captions.consolidate`
    text_encoder: str | None = None  # for medoid: NAME_OR_PATH[@revision]; None: by words
    llm: str | None = None  # for llm: NAME_OR_PATH[@revision], FILE.gguf or server:URL#MODEL
    strip_boilerplate: bool = False  # take "a photo of" and the like off the caption
    device: str = "auto"  # of the text encoder and the language model
    dtype: str = "auto"
    concurrency: int = 16  # requests in flight, for a server
    timeout_s: float = 120.0  # of one request to a server

    def __post_init__(self) -> None:
        if self.strategy not in get_args(StrategyName):
            raise OptionError(
                f"--strategy {self.strategy}: there is no such strategy",
                hint=f"one of: {', '.join(get_args(StrategyName))}",
            )
        if self.text_encoder is not None and self.strategy not in ("medoid", "llm"):
            raise OptionError(
                f"--text-encoder with --strategy {self.strategy}: it compares no texts",
                hint="--strategy medoid",
            )
        if (self.llm is not None) != (self.strategy == "llm"):
            raise OptionError(
                f"--strategy {self.strategy} with{'out' if self.llm is None else ''} --llm",
                hint="--strategy llm --llm NAME_OR_PATH, or server:URL#MODEL",
            )
