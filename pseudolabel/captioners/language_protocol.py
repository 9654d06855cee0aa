"""What a language model that merges captions is told, what it says, and who it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pseudolabel.captioners.options import CaptionOptions, DType
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.errors import CaptionerError, OptionError

FLAG = "--llm"
WHAT = "a language model"


@dataclass(frozen=True, slots=True)
class LanguageModelOptions:
    """Which language model, and where it runs. It is greedy."""

    model: str  # NAME_OR_PATH[@revision], FILE.gguf, REPOSITORY#FILE.gguf, or server:URL#MODEL
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    dtype: DType = "auto"  # bfloat16 on a GPU or a CPU that has it natively, else float32
    batch_size: int | None = None  # None: grows to what fits
    max_new_tokens: int = 80
    concurrency: int = 16  # requests in flight, for a server
    timeout_s: float = 120.0  # of one request to a server

    def __post_init__(self) -> None:
        if not self.model:
            raise OptionError(f"{FLAG} must not be empty", hint=f"{FLAG} NAME_OR_PATH")
        if self.max_new_tokens < 1:
            raise OptionError(
                f"{FLAG}: {self.max_new_tokens} tokens to write: must be 1 or more",
                hint="80 is enough for one sentence",
            )
        self.as_captioner()  # checks the rest

    def as_captioner(self) -> CaptionOptions:
        """What these options share with a captioner's, as such.

        Raises:
            OptionError: If one is not allowed.
        """
        return CaptionOptions(
            model=self.model,
            max_new_tokens=self.max_new_tokens,
            device=self.device,
            dtype=self.dtype,
            batch_size=self.batch_size,
            concurrency=self.concurrency,
            timeout_s=self.timeout_s,
        )


@dataclass(frozen=True, slots=True)
class LanguageModelIdentity:
    """Who merged the captions: everything about the model that can change a text."""

    model: str  # Hub name, path, or server model
    revision: str  # commit hash; for a folder or file a hash of it; "" where unknown
    backend: str  # "transformers" or "server"
    architecture: str  # config.model_type, such as "qwen3"; "" where unknown
    dtype: str  # resolved: never "auto"; "" where unknown
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Written:
    """What a language model wrote to one prompt; line breaks are its own, ends are trimmed."""

    text: str  # may be empty
    truncated: bool  # it had not ended when it had written all it may


class LanguageModel(Protocol):
    """Prompts in, texts out, in order."""

    @property
    def identity(self) -> LanguageModelIdentity:
        """Who it is, for the run's manifest."""

    @property
    def batch_size(self) -> int:
        """How many prompts it answers at once; may change between calls.

        A call of several times as many suits it: prompts of like length go together.
        """

    def write(self, prompts: Sequence[str]) -> list[Written | Refusal]:
        """Answer any number of prompts, in order.

        A text depends on its own prompt, never on its neighbours in the batch; half precision
        can still differ by rounding. A prompt without an answer is a `Refusal`, and costs its
        neighbours nothing.

        Raises:
            CaptionerError: If nothing can be written at all (out of memory at one prompt,
                server gone, access refused, the very first prompts all refused).
        """

    def close(self) -> None:
        """Give back what it holds."""


def check_some_written(
    answers: Sequence[Written | Refusal], *, has_worked: bool, model: str
) -> bool:
    """Whether any prompt so far has an answer, as `check_some_worked` does for frames.

    Raises:
        CaptionerError: If nothing has ever worked, and all of several prompts are refused.
    """
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    if has_worked or len(refusals) < len(answers):
        return True
    if len(refusals) > 1:
        raise CaptionerError(
            f"{FLAG} {model} refuses every prompt; the first: {refusals[0].detail}",
            hint=f"another {FLAG}, or another --strategy, which needs none",
        )
    return False
