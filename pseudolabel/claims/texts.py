"""How true the texts are that arms of the timed world learn from: measured, not supposed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pseudolabel.claims.plan import ArmName, Plan
from pseudolabel.claims.world import names_things, tells_time
from pseudolabel.evaluation.metrics.references import read_references
from pseudolabel.training.data.opening import open_examples

_LABELS = ("world", "labels.jsonl")


@dataclass(frozen=True, slots=True)
class TextTruth:
    """Shares of the clips that an arm learns from first."""

    clips: int
    names_thing: float  # the text names a thing that the clip shows, and none that it does not
    names_other: float  # it names one that the clip does not show
    tells_time: float  # it tells the motion or the order, which no frame shows


def text_truth(plan: Plan, out: Path) -> dict[ArmName, TextTruth]:
    """The truth of the texts of all arms with videos of the world that `make_synthetic` wrote."""
    labels = read_references(str(out.joinpath(*_LABELS))).captions
    found: dict[ArmName, TextTruth] = {}
    for arm, data in plan.arms.items():
        if data is None or data.data is None:
            continue
        clips = open_examples(plan.view.shown(data, 0), is_training=False)[0].clips
        assert clips is not None
        right = other = timed = 0
        for row in range(len(clips)):
            text, label = clips.texts_of(row)[0], labels[clips.key(row)][0]
            said, shown = set(names_things(text)), set(names_things(label))
            right += bool(said) and said <= shown
            other += bool(said - shown)
            timed += tells_time(text) == tells_time(label)
        count = len(clips)
        found[arm] = TextTruth(count, right / count, other / count, timed / count)
    return found
