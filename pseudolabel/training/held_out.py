"""How well a captioner does on clips that it does not learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import InputError
from pseudolabel.evaluation.metrics.scores import score_captions
from pseudolabel.training.checkpoints import METRIC
from pseudolabel.training.data.loading import make_loader
from pseudolabel.training.data.order import Pick

if TYPE_CHECKING:
    import torch

    from pseudolabel.training.data.examples import Examples
    from pseudolabel.training.targets import TokenBatch, Tokenize


class HeldOut:
    """Clips with their texts, captioned again and again while learning goes on.

    A text counts as the reference of its clip. The clips are the first ones of the split, so that
    every evaluation is of the same.

    Args:
        examples: Of the held-out split, not augmented.
        tokenize: As for learning.
        batch_size: Clips at a time.
        clips: At most so many.
        workers: Processes that decode.
    """

    def __init__(
        self, examples: Examples, tokenize: Tokenize, *, batch_size: int, clips: int, workers: int
    ) -> None:
        self._examples, self._tokenize = examples, tokenize
        assert examples.clips is not None, "there are clips to hold out"
        rows = range(min(clips, len(examples.clips)))
        picks = [Pick("video", row, row) for row in rows]
        self._batches = [picks[i : i + batch_size] for i in rows[::batch_size]]
        self._references = {examples.clips.key(row): examples.clips.texts_of(row) for row in rows}
        self._workers = workers

    def __len__(self) -> int:
        return len(self._references)

    def evaluate(
        self, model: Any, prepare: Callable[[TokenBatch], dict[str, Any]]
    ) -> dict[str, float]:
        """CIDEr, BLEU-4 and the loss, under transformers' names; Java is not needed.

        Args:
            model: A video captioner, left in the mode that it is in.
            prepare: Puts a batch on the model's device, with pixels as it takes them.
        """
        import torch

        was_training = model.training
        model.eval()
        captions: dict[str, str] = {}
        losses: list[torch.Tensor] = []
        with torch.no_grad():
            for batch in make_loader(
                self._examples, self._batches, workers=self._workers, collate=self._tokenize
            ):
                if batch["failed"]:
                    raise InputError(f"a held-out clip cannot be read: {batch['failed'][0].why}")
                inputs = prepare(batch)
                video = model.encode(inputs["pixel_values"])
                tokens = {name: inputs[name] for name in ("input_ids", "attention_mask", "labels")}
                losses.append(model(video=video, **tokens).loss)
                said = self._tokenize.read(model.generate(video=video, **self._tokenize.limits()))
                captions |= zip(batch["id"], said, strict=True)
        model.train(was_training)
        # What is broken was replaced, and is not scored.
        references = {clip: self._references[clip] for clip in captions}
        scores = score_captions(captions, references, java=False, meteor=False).corpus
        return {
            METRIC: float(scores["CIDEr"]),
            "eval_BLEU-4": float(scores["BLEU-4"]),
            "eval_loss": float(torch.stack(losses).mean()),
        }
