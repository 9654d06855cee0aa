"""Scores by arm, and what of the claims they bear out; no training is needed for that."""

from __future__ import annotations

import pytest

from pseudolabel.claims.cell import Cell, Stage
from pseudolabel.claims.plan import ArmName
from pseudolabel.claims.plot import bars_svg
from pseudolabel.claims.report import score_table
from pseudolabel.claims.scoring import Claim, claims_of, score_cells

REFERENCES = {
    "a#0": ["a green star moves left"],
    "a#1": ["a white circle, then a red square"],
    "b#0": ["a blue square moves up"],
    "b#1": ["a pink star moves down"],
}
RIGHT = {key: texts[0] for key, texts in REFERENCES.items()}
STILL = {key: text.split(" moves")[0].split(",")[0] for key, text in RIGHT.items()}


def cell(arm: ArmName, seed: int, captions: dict[str, str]) -> Cell:
    return Cell(arm, seed, None, Stage(1, 4, 0, 2.0, 1.0, 1.0), captions, 0.1)


def test_right_captions_score_best_and_frames_alone_do_not_tell_time() -> None:
    cells = [cell("nothing", 0, STILL), cell("both", 0, RIGHT)]
    results = score_cells(cells, REFERENCES, apart=True, java=False)
    best, still = results.scores["both"], results.scores["nothing"]
    assert best["CIDEr"].mean > still["CIDEr"].mean
    shares = ("exactly right", "things right", "direction right")
    assert [best[name].mean for name in shares] == [100, 100, 100]
    assert [still[name].mean for name in shares] == [0, 75, 0]


def test_a_clip_without_a_caption_counts_as_wrong() -> None:
    some = {key: text for key, text in RIGHT.items() if key != "a#1"}
    results = score_cells([cell("asr", 0, some)], REFERENCES, apart=True, java=False)
    assert results.clips == 4
    assert results.scores["asr"]["exactly right"].mean == 75


def test_spread_is_over_seeds() -> None:
    cells = [cell("asr", 0, RIGHT), cell("asr", 1, STILL), cell("asr", 2, STILL)]
    spread = score_cells(cells, REFERENCES, apart=True, java=False).scores["asr"]["exactly right"]
    assert spread.values == (100, 0, 0)
    assert spread.mean == pytest.approx(100 / 3)
    assert spread.deviation == pytest.approx(57.735, abs=0.01)


def test_claims_compare_seed_with_seed() -> None:
    cells = [
        *(cell("pseudolabels", seed, RIGHT) for seed in (0, 1)),
        *(cell("asr", seed, STILL) for seed in (1, 2)),
    ]
    (claim,) = claims_of(score_cells(cells, REFERENCES, apart=False, java=False))
    assert (claim.better, claim.than) == ("pseudolabels", "asr")
    assert len(claim.differences) == 1  # the one seed that both have
    assert claim.verdict == "one seed says little"


def test_claims_are_judged_by_things_too_where_captions_can_be_taken_apart() -> None:
    moved = {key: text.replace("left", "up").replace("down", "up") for key, text in RIGHT.items()}
    cells = [cell("both", 0, STILL), cell("images", 0, moved)]
    by_cider, by_things = claims_of(score_cells(cells, REFERENCES, apart=True, java=False))
    assert (by_cider.measure, by_things.measure) == ("CIDEr", "things right")
    assert by_cider.mean < 0
    assert by_things.differences == (-25,)  # the one that comes second; a wrong direction is none


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ((1.0, 2.0, 0.5), "holds here, in every seed"),
        ((1.0, 2.0, -0.5), "not clear: seeds disagree"),
        ((-1.0, -2.0, 0.5), "does not hold here"),
    ],
)
def test_a_verdict_is_of_all_seeds(differences: tuple[float, ...], verdict: str) -> None:
    assert Claim("it is better", "both", "images", "CIDEr", differences).verdict == verdict


def test_the_table_has_a_row_an_arm_in_their_order() -> None:
    cells = [cell("both", 0, RIGHT), cell("nothing", 0, STILL)]
    table = score_table(score_cells(cells, REFERENCES, apart=False, java=False))
    assert [row.split(" | ")[0] for row in table[2:]] == ["| nothing", "| images and videos"]


def test_the_plot_has_a_dot_a_seed_and_escapes_labels() -> None:
    plot = bars_svg([("a < b", [10.0, 12.0, 14.0]), ("c", [3.0])], title="CIDEr")
    assert plot.count("<circle") == 4
    assert "a &lt; b" in plot
    assert plot.startswith("<svg xmlns=")
    assert ">12.0<" in plot
