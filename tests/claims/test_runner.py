"""The comparison runs whole, is not done twice, and is not mixed with another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from pseudolabel.claims.cell import PRETRAINED, TUNED, cell_folder
from pseudolabel.claims.gates import gate_opening
from pseudolabel.claims.plan import Plan
from pseudolabel.claims.runner import Outcome, references_of, run_claims
from pseudolabel.claims.synthetic import QUICK, make_synthetic
from pseudolabel.claims.texts import text_truth
from pseudolabel.claims.world import COLORS
from pseudolabel.errors import TrainingError

SMALL = replace(
    QUICK,
    videos=1,
    labelled_videos=1,
    test_videos=1,
    clips=6,
    images=4,
    pretrain_steps=2,
    tune_steps=2,
    batch_size=2,
)


class Comparison(NamedTuple):
    out: Path
    plan: Plan
    outcome: Outcome
    said: tuple[str, ...]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    out = tmp_path_factory.mktemp("claims")
    said: list[str] = []
    whole = make_synthetic(out, SMALL, said.append)
    plan = replace(whole, arms={"asr": whole.arms["asr"], "both": whole.arms["both"]})
    outcome = run_claims(plan, out, jobs=2, java=False, say=said.append)
    return Comparison(out, plan, outcome, tuple(said))


def test_every_arm_is_trained_fine_tuned_and_scored(compared: Comparison) -> None:
    outcome = compared.outcome
    assert outcome.left == 0
    assert [(cell.arm, cell.seed) for cell in outcome.cells] == [("asr", 0), ("both", 0)]
    for cell in outcome.cells:
        assert cell.pretrain is not None
        assert (cell.pretrain.steps, cell.tune.steps) == (2, 2)
        assert cell.captions.keys() == references_of(compared.plan, compared.out).keys()
    assert [cell.pretrain and cell.pretrain.images for cell in outcome.cells] == [0, 4]
    assert outcome.results is not None
    assert {"CIDEr", "BLEU-4", "ROUGE-L"} <= outcome.results.scores["both"].keys()


def test_the_arms_share_all_but_what_they_learn_from_first(compared: Comparison) -> None:
    configs = [
        (cell_folder(compared.out, arm, 0) / "tuned" / "config.toml").read_text().splitlines()
        for arm in ("asr", "both")
    ]
    differing = {line.split(" = ")[0] for line in set(configs[0]) ^ set(configs[1])}
    assert differing == {"init", "revisions"}


def test_the_labelled_set_says_what_the_labels_say(compared: Comparison) -> None:
    rows = (compared.out / "test-world" / "labels.jsonl").read_text().splitlines()
    labels = [json.loads(row) for row in rows]
    assert references_of(compared.plan, compared.out) == {
        f"{row['video_id']}#{row['clip_index']}": [row["caption"]] for row in labels
    }


def test_texts_are_as_true_as_they_are_said_to_be(compared: Comparison) -> None:
    truth = text_truth(compared.plan, compared.out)
    assert truth["both"].clips == 6
    assert truth["both"].names_thing > 0.8  # the demo captioner knows this world's frames
    assert truth["both"].tells_time == 0


def test_started_again_nothing_is_done_again(compared: Comparison) -> None:
    made = {path: path.stat().st_mtime_ns for path in compared.out.rglob("*.safetensors")}
    said: list[str] = []
    again = run_claims(compared.plan, compared.out, java=False, say=said.append)
    assert said == ["asr, seed 0: done before", "both, seed 0: done before"]
    assert again.cells == compared.outcome.cells
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_another_plan_in_the_same_folder_is_refused(compared: Comparison) -> None:
    other = replace(compared.plan, tune=replace(compared.plan.tune, steps=3))
    with pytest.raises(TrainingError, match="another plan: tune differ"):
        run_claims(other, compared.out)


def test_the_report_says_what_was_done(compared: Comparison) -> None:
    assert compared.outcome.report is not None
    report = Path(compared.outcome.report).read_text(encoding="utf-8")
    assert "**random weights**" in report
    assert "| Images and videos together beat" not in report  # those arms were not run
    numbers = json.loads((compared.out / "results.json").read_text())
    assert numbers["test_clips"] == 6
    plot = (compared.out / "claims.svg").read_text(encoding="utf-8")
    assert plot.count("<circle") == 2


def test_gates_begin_shut_and_open(compared: Comparison) -> None:
    openings = [
        gate_opening(cell_folder(compared.out, "both", 0) / name) for name in (PRETRAINED, TUNED)
    ]
    assert all(opening is not None and 0 < opening < 0.1 for opening in openings)
    assert gate_opening(compared.out / "nowhere") is None


def test_a_world_of_other_sizes_is_not_taken_for_this_one(compared: Comparison) -> None:
    with pytest.raises(TrainingError, match="other sizes"):
        make_synthetic(compared.out, replace(SMALL, videos=2), print)
    more = make_synthetic(compared.out, replace(SMALL, seeds=(0, 1)), lambda _: None)
    assert more.seeds == (0, 1)
    assert more.described()["tune"] == compared.plan.described()["tune"]


def test_videos_may_show_less_than_images_and_tests(tmp_path: Path) -> None:
    sizes = replace(SMALL, videos=3, test_videos=6, images=60, colors=1)
    plan = make_synthetic(tmp_path, sizes, lambda _: None)
    shown = {
        source: {color for color in COLORS if f" {color} " in (tmp_path / source).read_text()}
        for source in ("world/labels.jsonl", "test-world/labels.jsonl", "images/captions.csv")
    }
    assert shown["world/labels.jsonl"] == {COLORS[0]}
    assert shown["images/captions.csv"] == shown["test-world/labels.jsonl"] == set(COLORS)
    assert "show 1 of 6 colors" in plan.about


def test_more_seeds_are_added(compared: Comparison) -> None:
    with_models = make_synthetic(compared.out, replace(SMALL, seeds=(0, 1)), lambda _: None)
    plan = replace(compared.plan, seeds=with_models.seeds)
    said: list[str] = []
    outcome = run_claims(plan, compared.out, java=False, say=said.append)
    assert [(cell.arm, cell.seed) for cell in outcome.cells] == plan.cells()
    assert outcome.cells[:2] == compared.outcome.cells
    assert [line.endswith("done before") for line in said] == [True, True, False, False]
    assert outcome.results is not None
    assert len(outcome.results.scores["both"]["CIDEr"].values) == 2
