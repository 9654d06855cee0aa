"""Captions against human references: read both, match them, score."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pseudolabel.errors import EvaluationError, OptionError
from pseudolabel.evaluation.metrics.matching import Of, match
from pseudolabel.evaluation.metrics.predictions import read_predictions
from pseudolabel.evaluation.metrics.references import read_references
from pseudolabel.evaluation.metrics.scores import CaptionScores, score_captions
from pseudolabel.files import explained, write_whole

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores, and what was scored against what."""

    captions: str  # as given
    references: str  # as given
    reference_shape: str  # such as "MSR-VTT"
    matched_by: str  # such as "videos"
    scores: CaptionScores
    texts: Mapping[str, str]  # the caption judged, by reference id
    skipped: Mapping[str, int] | None = None  # by reason, where videos were captioned for it

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: scores as the scorers give them, not times 100."""
        scores = self.scores
        return {
            "captions": self.captions,
            "references": self.references,
            "reference_shape": self.reference_shape,
            "matched_by": self.matched_by,
            "ids": len(scores.ids),
            "reference_captions": scores.reference_captions,
            "scores": dict(scores.corpus),
            "tokenizer": scores.tokenizer,
            "without_reference": _counted(scores.without_reference),
            "without_caption": _counted(scores.without_caption),
            **({} if self.skipped is None else {"skipped": dict(self.skipped)}),
            "warnings": list(scores.warnings),
        }

    def per_id(self) -> Iterator[dict[str, Any]]:
        """A row an id: its caption and its scores."""
        for index, key in enumerate(self.scores.ids):
            each = {name: float(values[index]) for name, values in self.scores.per_id.items()}
            yield {"id": key, "caption": self.texts[key], **each}


def evaluate(
    captions: str,
    references: str,
    *,
    of: Of | None = None,
    java: bool = True,
    per_id: str | None = None,
) -> Evaluation:
    """Score captions with BLEU-1 to -4, METEOR, ROUGE-L and CIDEr.

    Args:
        captions: A run, a release, or a file, as for `read_predictions`.
        references: A file, as for `read_references`.
        of: What the references are of, as for `match`; None: as their ids say.
        java: Use Java; without it METEOR is left out and words are split by other rules.
        per_id: A file (.jsonl or .csv) to write each id's scores to.

    Raises:
        InputError: If a file cannot be read or has no known shape, or ids are ambiguous.
        RunError, ReleaseError, HubError: If a run or release cannot be read.
        OptionError: If an option's value is not allowed.
        EvaluationError: If no caption has a reference, Java is missing, or it fails.
    """
    if per_id is not None:
        check_writable(per_id)
    predicted = read_predictions(captions)
    against = read_references(references)
    matched = match(predicted.predictions, against, of=of)
    texts = {key: predicted.predictions[index].caption for key, index in matched.chosen.items()}
    # Those without a reference go along, so that all that is not scored is told in one place.
    unmatched = {label: "" for label in matched.without_reference if label not in against.captions}
    scores = score_captions({**texts, **unmatched}, against.captions, java=java)
    found = Evaluation(captions, references, against.shape, matched.by, scores, texts)
    if per_id is not None:
        _write_rows(per_id, list(found.per_id()))
    return found


def _counted(ids: Sequence[str]) -> dict[str, Any]:
    return {"count": len(ids), "examples": list(ids[:EXAMPLES])}


def check_writable(path: str) -> None:
    """Refuse a file for each id's scores before scoring, not after it.

    Raises:
        OptionError: If it is of no kind that is written, or its folder does not exist.
    """
    if Path(path).suffix.lower() not in (".jsonl", ".csv"):
        raise OptionError(f"--per-id {path}: not a kind of file it writes", hint=".jsonl or .csv")
    if not Path(path).absolute().parent.is_dir():
        raise OptionError(f"--per-id {path}: its folder does not exist", hint="make it first")


def _write_rows(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    out = io.StringIO(newline="")
    if path.lower().endswith(".csv"):
        table = csv.DictWriter(out, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    else:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with explained(path, EvaluationError, hint=None):
        # JSON can hold half a character, which has no UTF-8; its escape is JSON again.
        write_whole(Path(path), out.getvalue().encode("utf-8", "backslashreplace"))
