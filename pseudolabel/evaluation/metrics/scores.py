"""BLEU, METEOR, ROUGE-L and CIDEr of captions against human references.

Each is pycocoevalcap's own scorer. Its `COCOEvalCap` is not used: that one builds SPICE, which
downloads a parser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import EvaluationError
from pseudolabel.evaluation.metrics.ptb import PtbLikeTokenizer, PtbTokenizer, Tokenizer

if TYPE_CHECKING:
    from pseudolabel.evaluation.metrics.meteor import MeteorJudge

METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr")
FEW_IDS = 50  # under so many, CIDEr's word weights come from too few references
EXAMPLES = 3

Words = dict[str, list[str]]  # tokenized texts by id
Score = tuple[float, NDArray[np.float64]]  # over all ids, and of each


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """Scores of one system, as the scorers give them: CIDEr in [0, 10], the others in [0, 1].

    They are over `ids` only. CIDEr weighs words by the references of these ids, so scores over
    other ids, or with other references, are not comparable.
    """

    ids: tuple[str, ...]  # with a caption and a reference; sorted
    corpus: Mapping[str, float]  # by metric, in the order of METRICS
    per_id: Mapping[str, NDArray[np.float64]]  # by metric, (len(ids),), in the order of ids
    tokenizer: str
    reference_captions: int
    without_reference: tuple[str, ...]  # captions that were not scored; sorted
    without_caption: tuple[str, ...]  # references that nothing was scored against; sorted
    warnings: tuple[str, ...]


def score_captions(
    captions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    java: bool = True,
    meteor: bool = True,
) -> CaptionScores:
    """Score one system; for several, `CaptionScorer` starts Java once.

    Args:
        captions: One caption an id.
        references: Any number of captions an id.
        java: Tokenize with PTBTokenizer; otherwise with something near to it, and no METEOR.
        meteor: Whether to score with METEOR, which takes seconds to start.

    Raises:
        EvaluationError: If no id has both, there is no Java, or it fails.
    """
    with CaptionScorer(references, java=java, meteor=meteor) as scorer:
        return scorer.score(captions)


class CaptionScorer:
    """Scores systems against the same references: tokenized once, METEOR's JVM started once.

    Two systems are comparable where they are scored over the same ids: give "" for what one of
    them has no caption for, rather than leaving the id out.

    Args:
        references: Any number of captions an id.
        java: As for `score_captions`.
        meteor: As for `score_captions`.

    Raises:
        EvaluationError: If there is no Java.
    """

    def __init__(
        self, references: Mapping[str, Sequence[str]], *, java: bool = True, meteor: bool = True
    ) -> None:
        self._references = {key: texts for key, texts in references.items() if texts}
        self._without_text = [key for key, texts in references.items() if not texts]
        self._tokenized: Words = {}
        self._tokenizer: Tokenizer = PtbTokenizer() if java else PtbLikeTokenizer()
        self._judge: MeteorJudge | None = None
        if java and meteor:
            from pseudolabel.evaluation.metrics.meteor import MeteorJudge

            self._judge = MeteorJudge()  # loads while texts are tokenized and the others score

    def score(self, captions: Mapping[str, str]) -> CaptionScores:
        """Score one caption an id.

        Raises:
            EvaluationError: If no id has both a caption and a reference, or Java fails.
        """
        ids = tuple(sorted(captions.keys() & self._references.keys()))
        if not ids:
            raise nothing_in_common(captions, self._references)
        references = self._words_of_references(ids)
        texts = self._tokenizer.tokenize([captions[key] for key in ids])
        said = dict(zip(ids, texts, strict=True))
        scores = _python_scores(references, said)
        if self._judge is not None:
            scores["METEOR"] = self._judge.score(references, said)
        ordered = [name for name in METRICS if name in scores]
        return CaptionScores(
            ids=ids,
            corpus={name: scores[name][0] for name in ordered},
            per_id={name: scores[name][1] for name in ordered},
            tokenizer=self._tokenizer.name,
            reference_captions=sum(len(words) for words in references.values()),
            without_reference=tuple(sorted(captions.keys() - self._references.keys())),
            without_caption=tuple(
                sorted({*self._references, *self._without_text} - captions.keys())
            ),
            warnings=tuple(_warnings(references, said)),
        )

    def close(self) -> None:
        """End METEOR's JVM."""
        if self._judge is not None:
            self._judge.close()

    def __enter__(self) -> CaptionScorer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _words_of_references(self, ids: Sequence[str]) -> Words:
        new = [key for key in ids if key not in self._tokenized]
        texts = iter(
            self._tokenizer.tokenize([text for key in new for text in self._references[key]])
        )
        self._tokenized |= {key: [next(texts) for _ in self._references[key]] for key in new}
        words = {key: self._tokenized[key] for key in ids}
        if not any(any(texts) for texts in words.values()):
            raise EvaluationError("no reference has a word in it")
        return words


def _python_scores(references: Words, said: Mapping[str, str]) -> dict[str, Score]:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    captions = {key: [words] for key, words in said.items()}
    totals, each = Bleu(4).compute_score(references, captions, verbose=0)
    scores = {
        f"BLEU-{n}": (total, scores)
        for n, (total, scores) in enumerate(zip(totals, each, strict=True), 1)
    }
    scores["ROUGE-L"] = Rouge().compute_score(references, captions)
    scores["CIDEr"] = Cider().compute_score(references, captions)
    return {
        name: (float(total), np.array(each, dtype=np.float64))
        for name, (total, each) in scores.items()
    }


def _warnings(references: Words, said: Mapping[str, str]) -> list[str]:
    warnings = []
    if len(said) < FEW_IDS:
        warnings.append(
            f"CIDEr over {len(said)} ids: it weighs words by how many of these ids' references "
            f"have them, and under {FEW_IDS} ids that says little"
        )
    silent = [key for key, words in said.items() if not words]
    if silent:
        warnings.append(f"{len(silent)} captions have no word: {_some(silent)}")
    empty = [key for key, texts in references.items() if not all(texts)]
    if empty:
        warnings.append(f"{len(empty)} ids have references without a word: {_some(empty)}")
    return warnings


def nothing_in_common(
    captions: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> EvaluationError:
    """That no id has both, and of what each side is."""
    if not captions:
        return EvaluationError("there are no captions to score")
    if not references:
        return EvaluationError("there are no references to score against")
    return EvaluationError(
        f"none of {len(captions)} captions has a reference: captions are of "
        f"{_some(sorted(captions))}; references of {_some(sorted(references))}",
        hint="ids match when they are equal, or the same file name without its folder and "
        "suffix: clips/video7010.mp4 is video7010",
    )


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(key) for key in ids[:EXAMPLES])
    return f"{shown}, ..." if len(ids) > EXAMPLES else shown
