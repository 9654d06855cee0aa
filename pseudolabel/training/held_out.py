"""How well a captioner does on clips that it does not learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import InputError
from pseudolabel.evaluation.metrics.scores import score_captions
from pseudolabel.training.checkpoints import METRIC
from pseudolabel.training.data.loading import Tally, checked, make_loader
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
        workers: Processes that decode, started anew for each evaluation: those that stayed would
            have to be ended, and know no signal that does.
        tally: Counts clips that are broken, which are not scored.
    """

    def __init__(
        self,
        examples: Examples,
        tokenize: Tokenize,
        *,
        batch_size: int,
        clips: int,
        workers: int,
        tally: Tally,
    ) -> None:
        self._examples, self._tokenize, self._tally = examples, tokenize, tally
        assert examples.clips is not None, "there are clips to hold out"
        rows = range(min(clips, len(examples.clips)))
        names = [examples.clips.key(row) for row in rows]
        picks = [Pick("video", row, row) for row in rows]
        self._batches = [picks[i : i + batch_size] for i in rows[::batch_size]]
        self._names = [names[i : i + batch_size] for i in rows[::batch_size]]  # of each batch
        self._references = {names[row]: examples.clips.texts_of(row) for row in rows}
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

        Raises:
            InputError: If none of the clips can be read.
        """
        import torch

        was_training = model.training
        model.eval()
        captions: dict[str, str] = {}
        losses: list[torch.Tensor] = []
        loader = make_loader(
            self._examples, self._batches, workers=self._workers, collate=self._tokenize
        )
        with torch.no_grad():
            for names, batch in zip(self._names, checked(loader, self._tally), strict=True):
                # What is broken was replaced, by a clip that is not due here.
                own = [at for at, name in enumerate(names) if batch["id"][at] == name]
                if not own:
                    continue
                inputs = {name: value[own] for name, value in prepare(batch).items()}
                video = model.encode(inputs.pop("pixel_values"))
                losses.append(model(video=video, **inputs).loss)
                said = self._tokenize.read(model.generate(video=video, **self._tokenize.limits()))
                captions |= zip([names[at] for at in own], said, strict=True)
        model.train(was_training)
        if not captions:
            raise InputError(
                "none of the held-out clips can be read",
                hint="see the videos under --videos; or --evaluate-every 0",
            )
        references = {clip: self._references[clip] for clip in captions}
        scores = score_captions(captions, references, java=False, meteor=False).corpus
        return {
            METRIC: float(scores["CIDEr"]),
            "eval_BLEU-4": float(scores["BLEU-4"]),
            "eval_loss": float(torch.stack(losses).mean()),
        }
