"""Plots are well-formed, say what they show, and survive every number."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET

import pytest

from pseudolabel.evaluation.page.plots import Bar, BarGroup, _ticks, bars, curve, histograms

NAMES = ("Pseudolabel", "Transcript")
NAN = math.nan


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter("text")]


def rectangles(svg: str, name: str) -> list[dict[str, str]]:
    """Bars of a series; the first one is its square in the legend."""
    return [node.attrib for node in ET.fromstring(svg).iter("rect") if node.get("class") == name]


def test_bars_are_as_long_as_their_values() -> None:
    groups = [
        BarGroup("Coverage", (Bar(0.8, 0.7, 0.9), Bar(0.4))),
        BarGroup("Wins", (Bar(0.2), None)),
    ]
    svg = bars(groups, NAMES, title="Shares", percent=True)
    assert {"Coverage", "Wins", *NAMES, "80 %", "40 %", "20 %", "0 %"} <= set(texts(svg))
    _, first, second = rectangles(svg, "a")
    (_, other) = rectangles(svg, "b")
    assert float(first["width"]) == pytest.approx(2 * float(other["width"]), abs=0.1)
    assert float(first["width"]) == pytest.approx(4 * float(second["width"]), abs=0.1)
    assert svg.count('class="whisker"') == 1


def test_bars_of_differences_go_both_ways_from_zero() -> None:
    svg = bars([BarGroup("d", (Bar(-1.0), Bar(1.0)))], NAMES, title="d")
    left, right = rectangles(svg, "a")[1], rectangles(svg, "b")[1]
    assert float(left["x"]) + float(left["width"]) == pytest.approx(float(right["x"]))
    assert "\u22121.00" in texts(svg)


def test_what_was_not_measured_has_no_bar() -> None:
    svg = bars([BarGroup("x", (Bar(NAN, NAN, NAN), None))], NAMES, title="nothing")
    assert len(rectangles(svg, "a")) == 1
    bars([], NAMES, title="nothing")
    with pytest.raises(ValueError, match="3 series"):
        bars([], ("a", "b", "c"), title="too many")


def test_histograms_point_at_marks() -> None:
    svg = histograms(
        [0.1, 0.2, NAN], [0.3], NAMES, title="h", x_label="cosine", marks=[(0.25, "floor")]
    )
    assert {"floor", "cosine", *NAMES} <= set(texts(svg))
    assert svg.count('class="area') == 2
    assert "nan" not in svg


def test_curves_leave_out_what_is_not_a_number() -> None:
    svg = curve(
        [-10, 0, 10],
        [0.1, NAN, 0.3],
        [0.0, NAN, 0.2],
        [0.2, NAN, 0.4],
        mark=10,
        title="c",
        x_label="offset (s)",
        mark_label="+10 s",
    )
    assert {"+10 s", "offset (s)", "\u221210", "0", "10"} <= set(texts(svg))
    assert "nan" not in svg


NEARLY_ALIKE = [[0.3, 0.3 + 5e-14], [-0.1, -0.10000000000000002], [1e-5, 1e-5 + 1e-13]]


@pytest.mark.parametrize(
    "values", [[], [NAN], [1.0], [0.0, 0.0], [-5e9, 5e9], [1e-12, 2e-12], *NEARLY_ALIKE]
)
def test_any_values_make_a_plot(values: list[float]) -> None:
    for svg in (
        histograms(values, values, NAMES, title="h"),
        curve(values, values, values, values, mark=None, title="c"),
        bars([BarGroup("b", (Bar(value),)) for value in values], NAMES, title="b"),
    ):
        ET.fromstring(svg)
        assert "nan" not in svg
        assert "inf" not in svg


def test_labels_are_escaped() -> None:
    bad = "</text><script>\"&'"
    for svg in (
        bars([BarGroup(bad, (Bar(1.0),))], (bad,), title=bad),
        histograms([1.0], [2.0], (bad, bad), title=bad, x_label=bad, marks=[(1.0, bad)]),
        curve([0, 1], [0, 1], [0, 1], [0, 1], mark=1, title=bad, x_label=bad, mark_label=bad),
    ):
        assert "<script" not in svg
        assert bad in texts(svg)
        assert ET.fromstring(svg).get("aria-label") == bad
        assert "style=" not in svg


def test_ticks_are_few_and_hold_both_ends() -> None:
    random_ = random.Random(0)
    for _ in range(2000):
        low = random_.uniform(-1, 1) * 10 ** random_.randint(-6, 6)
        high = low + random_.random() * 10 ** random_.randint(-6, 6)
        ticks = _ticks(low, high, from_zero=False)
        width = ticks[1] - ticks[0]
        assert ticks[0] <= low + width * 1e-6
        assert ticks[-1] >= high - width * 1e-6
        assert 2 <= len(ticks) <= 9
