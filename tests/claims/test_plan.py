"""A comparison with real data is a TOML file; what it cannot mean is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pseudolabel.claims.plan import read_plan
from pseudolabel.errors import OptionError

PLAN = """
seeds = [0, 1]
[models]
encoder = "facebook/timesformer-base-finetuned-k400"
language_model = "facebook/opt-350m"
[view]
frames = 8
[pretrain]
steps = 20000
batch_size = 64
[tune]
steps = 3000
[labelled]
references = "train.json"
videos = "train"
[test]
references = "test.json"
videos = "test"
[arms.nothing]
[arms.asr]
data = "release"
videos = "frames"
text = "asr"
transcripts = "captions.json"
[arms.both]
data = "release"
videos = "frames"
images = "cc3m"
mix = "video=2,image=1"
"""


def plan_file(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def test_a_plan_is_read(tmp_path: Path) -> None:
    plan = read_plan(plan_file(tmp_path, PLAN))
    assert plan.cells() == [
        ("nothing", 0), ("asr", 0), ("both", 0), ("nothing", 1), ("asr", 1), ("both", 1)
    ]  # fmt: skip
    assert plan.arms["nothing"] is None
    asr, both = plan.arms["asr"], plan.arms["both"]
    assert asr is not None
    assert both is not None
    assert (asr.text, asr.transcripts) == ("asr", "captions.json")
    assert str(both.shares) == "video=2,image=1"
    assert plan.model_of(1).language_model == "facebook/opt-350m"
    assert (plan.pretrain.steps, plan.tune.steps, plan.tune.batch_size) == (20000, 3000, 32)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[arms.nothing]", "[arms.speech]", r"\[arms\]: there is no 'speech'"),
        ("steps = 20000", "step = 20000", r"\[pretrain\]: there is no 'step'"),
        ('videos = "train"', "", r"\[labelled\]: .*videos"),
        ("[test]", "[tests]", "there is no 'tests'"),
        ('transcripts = "captions.json"', "", "--text asr and --transcripts go together"),
        ("seeds = [0, 1]", "seeds = [0, 1", "cannot be read"),
        ("seeds = [0, 1]", "seeds = []", "no seed"),
    ],
)
def test_what_it_cannot_mean_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        read_plan(plan_file(tmp_path, PLAN.replace(before, after)))


def test_the_plan_of_the_docs_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "claims.md"
    written = page.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    plan = read_plan(plan_file(tmp_path, written))
    assert [arm for arm, seed in plan.cells() if not seed] == [
        "nothing", "asr", "pseudolabels", "images", "both"
    ]  # fmt: skip
    both = plan.arms["both"]
    assert both is not None
    assert plan.view.shown(both, 0).frame_size == 224
