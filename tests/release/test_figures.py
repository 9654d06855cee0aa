"""The histograms of a card, as pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from pseudolabel.release.card.figures import (
    HEIGHT,
    WIDTH,
    count_ticks,
    histogram_png,
    short_count,
)
from pseudolabel.release.manifest import Histogram

BAR = "#3572b0"
MEAN = "#bc4c00"


def drawn(histogram: Histogram) -> NDArray[np.int16]:
    """The figure's pixels, (H, W, 3)."""
    image = Image.open(io.BytesIO(histogram_png(histogram, "Words in a caption", "words")))
    assert image.format == "PNG"
    assert image.size == (WIDTH, HEIGHT)
    return np.asarray(image.convert("RGB"), dtype=np.int16)


def colored(pixels: NDArray[np.int16], color: str) -> NDArray[np.bool_]:
    """Where a color is, but for what the palette rounds."""
    far = np.abs(pixels - np.array(ImageColor.getrgb(color), np.int16)).max(axis=2)
    return np.asarray(far < 12)


def bar_heights(pixels: NDArray[np.int16]) -> list[int]:
    """The height of each bar, left to right."""
    columns = colored(pixels, BAR)[:528].sum(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], columns > 0, [0]])))
    return [int(columns[a:b].max()) for a, b in edges.reshape(-1, 2)]


def test_bars_are_as_high_as_their_counts() -> None:
    heights = bar_heights(drawn(Histogram((0, 1, 2, 3, 4), (100, 50, 0, 25), None)))
    assert len(heights) == 3
    assert heights[1] / heights[0] == pytest.approx(0.5, abs=0.02)
    assert heights[2] / heights[0] == pytest.approx(0.25, abs=0.02)


def test_one_clip_among_a_million_can_be_seen() -> None:
    counts = (1_200_000, 0, 1)
    heights = bar_heights(drawn(Histogram((0, 1, 2, 3), counts, None)))
    assert len(heights) == 2
    assert heights[0] > 300
    assert 1 <= heights[1] <= 4


@pytest.mark.parametrize(
    ("mean", "share"), [(0.0, 0.0), (2.5, 0.25), (10.0, 1.0), (-7.0, 0.0), (99.0, 1.0)]
)
def test_the_mean_stands_where_it_is_and_never_outside(mean: float, share: float) -> None:
    pixels = drawn(Histogram(tuple(range(11)), (1,) * 10, mean))
    line = np.flatnonzero(colored(pixels, MEAN).sum(axis=0) > 100)
    assert line.mean() == pytest.approx(130 + share * 1100, abs=2)


def test_a_bar_of_one_whole_number_has_it_and_its_mean_in_the_middle() -> None:
    histogram = Histogram((3, 4, 5, 6), (0, 7, 0), 4.0)
    data = histogram_png(histogram, "Words", "words", whole=True)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)
    line = np.flatnonzero(colored(pixels, MEAN).sum(axis=0) > 100)
    bar = np.flatnonzero(colored(pixels, BAR).any(axis=0))
    assert line.mean() == pytest.approx((bar.min() + bar.max()) / 2, abs=2)
    wider = Histogram((2, 4, 6), (1, 1), 4.0)  # two numbers a bar: back to edges
    assert histogram_png(wider, "", "words", whole=True) == histogram_png(wider, "", "words")


def test_the_mean_is_found_among_bins_of_different_width() -> None:
    pixels = drawn(Histogram((0, 1, 10, 100), (1, 1, 1), 55.0))
    line = np.flatnonzero(colored(pixels, MEAN).sum(axis=0) > 100)
    assert line.mean() == pytest.approx(130 + 1100 * 2.5 / 3, abs=2)


@pytest.mark.parametrize(
    "histogram",
    [
        Histogram((0, 1), (7,), 0.5),
        Histogram((0, 1, 2), (0, 0), None),
        Histogram((-6.0, -3.0, 0.0), (0, 59_500_000), -0.1),
        Histogram(tuple(i / 10 for i in range(2001)), (3,) * 2000, 100.0),
    ],
    ids=["one bin", "empty", "all in one", "more bins than pixels"],
)
def test_odd_histograms_are_drawn_inside_the_plot(histogram: Histogram) -> None:
    pixels = drawn(histogram)
    rows, columns = np.nonzero(colored(pixels, BAR))
    if any(histogram.counts):
        assert rows.min() >= 150
        assert rows.max() < 530
        assert columns.min() >= 130
        assert columns.max() <= 1230
    else:
        assert not len(rows)


def test_the_ground_is_white_and_the_margin_is_free() -> None:
    pixels = drawn(Histogram(tuple(range(41)), (10**9,) * 40, 39.9))
    assert (pixels[4:30, 30:-30] == 255).all()
    assert (pixels[-20:-4, 30:-30] == 255).all()
    assert (pixels[30:-30, -20:-4] == 255).all()
    assert (pixels[30:-30, 4:30] == 255).all()


def test_the_same_histogram_gives_the_same_bytes() -> None:
    histogram = Histogram((0, 1, 2), (3, 4), 1.0)
    first = histogram_png(histogram, "Words in a caption", "words")
    assert first == histogram_png(histogram, "Words in a caption", "words")
    assert first != histogram_png(Histogram((0, 1, 2), (3, 5), 1.0), "Words in a caption", "words")
    assert len(first) < 30_000


def test_edges_that_do_not_fit_the_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 edges for 2 counts"):
        histogram_png(Histogram((0, 1), (3, 4), 1.0), "", "words")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (950, "950"),
        (1_000, "1k"),
        (12_500, "12.5k"),
        (999_950, "1M"),
        (1_200_000, "1.2M"),
        (59_500_000, "59.5M"),
        (3_000_000_000, "3B"),
    ],
)
def test_counts_are_short_on_the_axis(count: int, text: str) -> None:
    assert short_count(count) == text


@pytest.mark.parametrize("largest", [0, 1, 4, 5, 6, 11, 99, 100, 101, 1_234_567, 10**12 + 1])
def test_ticks_are_few_round_and_reach_the_largest(largest: int) -> None:
    ticks = count_ticks(largest)
    assert ticks[0] == 0
    assert ticks[-1] >= largest
    assert 2 <= len(ticks) <= 6
    assert len(ticks) == 2 or ticks[-2] < largest
    assert str(ticks[1]).rstrip("0") in ("1", "2", "5")
