"""A model's weights, onto its device: safetensors only, complete, and without a word printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pseudolabel.captioners.batching import is_out_of_memory
from pseudolabel.captioners.identity import ModelPlan
from pseudolabel.captioners.sources import ModelSource
from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import torch


def load_model(plan: ModelPlan, *, trust_remote_code: bool) -> Any:
    """The model of a plan, in evaluation mode, on its device and in its number format.

    Raises:
        CaptionerError: If weights are missing, do not belong to the configuration, or do not
            fit into memory.
    """
    import transformers

    return load_weights(
        transformers.AutoModelForImageTextToText,
        plan.source,
        plan.device,
        plan.dtype,
        trust_remote_code=trust_remote_code,
    )


def load_weights(
    auto_class: Any,
    source: ModelSource,
    device: torch.device,
    dtype: torch.dtype,
    *,
    trust_remote_code: bool = False,
    unused: tuple[str, ...] = (),
) -> Any:
    """The model that one of transformers' Auto classes makes of a source, ready to compute.

    Args:
        auto_class: Such as `AutoModel`.
        source: Where its files are.
        device: Where it goes.
        dtype: The format its weights are cast to.
        trust_remote_code: Whether code that comes with it may run.
        unused: Beginnings of names of weights that the caller never uses, and may be missing.

    Raises:
        CaptionerError: As `load_model`.
    """
    from safetensors import SafetensorError
    from transformers import GgufConfig

    # Unpacked on every machine: packed weights take kernels, which are code from the Hub.
    form = {"quantization_config": GgufConfig(dequantize=True)} if source.gguf_file else {}
    try:
        model, report = auto_class.from_pretrained(
            source.location,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            **form,
            **source.load_args,
        )
        missing = {name for name in report["missing_keys"] if not name.startswith(unused)}
        _check_complete(source.model, missing)
        return model.eval().to(device)
    except (OSError, ValueError, RuntimeError, MemoryError, ImportError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise CaptionerError(
                f"--model {source.model}: its weights do not fit into memory",
                hint="a smaller --model, --dtype bfloat16, or another --device",
            ) from error
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise CaptionerError(
            f"--model {source.model}: does not load ({type(error).__name__}: {reason})",
            hint="a complete model with safetensors weights; download or save it again",
        ) from error


def _check_complete(model: str, missing: set[str]) -> None:
    # transformers fills what a file lacks with random numbers: captions would be made up.
    if missing:
        names = sorted(missing)
        raise CaptionerError(
            f"--model {model}: its weights lack {len(names)} tensors, such as {names[0]}",
            hint="a checkpoint that belongs to its config.json",
        )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences transformers: no advice on stderr, no bars but downloads' on a terminal.

    Its advice is on choices settled here (token ids, attention masks, generation settings);
    what matters is raised, or checked by us.
    """
    from huggingface_hub.utils.tqdm import enable_progress_bars
    from transformers.utils import logging as its_logging

    logging: Any = its_logging
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()  # the Hub's download bars, too
    if sys.stderr.isatty():
        enable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
