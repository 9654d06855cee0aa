"""Pictures for the model: one change for all frames of a clip, and none that nobody asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pseudolabel.errors import OptionError
from pseudolabel.training.data.options import Augmentation, DataOptions
from pseudolabel.training.data.pictures import Change, draw_change, fitted


def clip(height: int = 40, width: int = 60, frames: int = 3) -> NDArray[np.uint8]:
    """Frames that are red on the left and green on the right, brighter further down."""
    picture = np.zeros((frames, height, width, 3), np.uint8)
    down = np.linspace(40, 200, height).astype(np.uint8)[None, :, None]
    picture[:, :, : width // 2, 0] = down
    picture[:, :, width // 2 :, 1] = down
    return picture


def test_what_has_the_size_is_left_as_it_is() -> None:
    pixels = clip(48, 48)
    for fit in ("stretch", "crop"):
        assert np.array_equal(fitted(pixels, 48, fit=fit), pixels)


def test_stretching_keeps_all_of_it_and_cropping_the_middle() -> None:
    pixels = clip(40, 80)
    pixels[:, :, :20] = 255  # the left quarter
    stretched, cropped = fitted(pixels, 40), fitted(pixels, 40, fit="crop")
    assert stretched.shape == cropped.shape == (3, 40, 40, 3)
    assert (stretched[:, :, :8] == 255).all()
    assert cropped.max() < 255
    assert np.array_equal(cropped, pixels[:, :, 20:60])


def test_nothing_is_changed_by_default() -> None:
    for seed in range(20):
        assert draw_change(Augmentation(), np.random.default_rng(seed)) == Change()
    assert DataOptions(data="release").augmentation == Augmentation(flip=False, crop=1, color=0)


def test_half_of_the_clips_are_flipped() -> None:
    changes = [draw_change(Augmentation(flip=True), np.random.default_rng(s)) for s in range(200)]
    assert 70 < sum(change.is_flipped for change in changes) < 130
    pixels = clip()
    flipped = fitted(pixels, 40, change=Change(is_flipped=True))
    assert np.array_equal(flipped, fitted(pixels, 40)[:, :, ::-1])
    assert flipped.flags.c_contiguous


def test_crops_stay_inside_and_keep_their_share() -> None:
    for seed in range(200):
        change = draw_change(Augmentation(crop=0.4), np.random.default_rng(seed))
        left, top, right, bottom = change.crop
        assert 0 <= left < right <= 1 + 1e-9
        assert 0 <= top < bottom <= 1 + 1e-9
        # A crop as wide as the picture may be less high than its aspect asks for.
        assert 0.4 * 0.75 <= (right - left) * (bottom - top) <= 1 + 1e-9


def test_a_crop_is_the_same_part_of_every_frame() -> None:
    pixels = clip()
    found = fitted(pixels, 20, change=Change(crop=(0.6, 0.6, 1.0, 1.0)))
    assert (found == found[0]).all()
    assert found[..., 0].max() == 0  # the right half is green
    assert found[..., 1].min() > 110  # the lower half is bright


def test_colors_change_alike_and_keep_their_hue() -> None:
    pixels = clip()
    for seed in range(20):
        change = draw_change(Augmentation(color=0.4), np.random.default_rng(seed))
        found = fitted(pixels, 40, change=change).astype(int)
        assert (found == found[0]).all()
        red, green = found[0, 30, 5], found[0, 30, 35]
        assert red.argmax() == 0
        assert green.argmax() == 1
    brighter = fitted(pixels, 40, change=Change(brightness=1.2)).astype(int)
    assert brighter.sum() > fitted(pixels, 40).astype(int).sum()
    gray = fitted(pixels, 40, change=Change(saturation=0.0)).astype(int)
    assert np.ptp(gray, axis=-1).max() <= 1


@pytest.mark.parametrize("wrong", [{"crop": 0.0}, {"crop": 1.1}, {"color": 1.0}, {"color": -0.1}])
def test_changes_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="--"):
        Augmentation(**wrong)


def test_pictures_to_be_cropped_are_decoded_larger() -> None:
    plain = DataOptions(data="r", frame_size=100)
    cropped = DataOptions(data="r", frame_size=100, augmentation=Augmentation(crop=0.25))
    assert (plain.picture_size.width, cropped.picture_size.width) == (100, 200)
