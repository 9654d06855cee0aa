"""What the Hub accepts in a card, known offline."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

import pytest

from pseudolabel.errors import OptionError
from pseudolabel.release.card import vocabulary
from pseudolabel.release.card.vocabulary import (
    card_value_violations,
    check_license,
    is_language,
    size_category,
)

GOOD: dict[str, Any] = {
    "license": "cc-by-4.0",
    "language": ["en"],
    "pretty_name": "kitchen captions",
    "size_categories": ["1K<n<10K"],
    "task_categories": ["video-text-to-text", "image-to-text"],
    "task_ids": ["image-captioning"],
    "annotations_creators": ["machine-generated"],
    "language_creators": ["machine-generated"],
    "multilinguality": ["monolingual"],
    "source_datasets": ["original"],
    "tags": ["video"],
    "configs": [{"config_name": "clips"}],
    "dataset_info": [{"config_name": "clips"}],
}


@pytest.mark.parametrize("license", ["cc-by-4.0", "cc0-1.0", "odc-by", "other", "llama3.1"])
def test_licenses_of_the_hub_pass(license: str) -> None:
    check_license(license)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cc-by4", "cc-by-4.0"),
        ("CC-BY-4.0", "cc-by-4.0"),
        ("CC BY SA 4.0", "cc-by-sa-4.0"),
        ("apache", "apache-2.0"),
        ("apache2", "apache-2.0"),
    ],
)
def test_a_license_off_the_list_is_refused_with_the_one_that_was_meant(
    typed: str, meant: str
) -> None:
    with pytest.raises(OptionError) as caught:
        check_license(typed)
    assert str(caught.value) == f"--license {typed!r} is not a license the Hub knows"
    assert caught.value.hint is not None
    assert f"did you mean {meant}" in caught.value.hint


def test_a_license_like_nothing_is_refused_without_a_guess() -> None:
    with pytest.raises(OptionError) as caught:
        check_license("\n---\nlicense: mit")
    assert "\n" not in str(caught.value)
    assert "did you mean" not in (caught.value.hint or "")
    assert "cc-by-4.0" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (59_500_000, "10M<n<100M"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_sizes_have_the_hubs_names(rows: int, name: str) -> None:
    assert size_category(rows) == name


def test_lists_agree_with_those_that_datasets_ships() -> None:
    folder = importlib.resources.files("datasets.utils.resources")

    def shipped(name: str) -> Any:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))

    assert set(shipped("creators")["annotations"]) == vocabulary.ANNOTATIONS_CREATORS
    assert set(shipped("creators")["language"]) == vocabulary.LANGUAGE_CREATORS
    assert set(shipped("multilingualities")) == vocabulary.MULTILINGUALITY
    assert set(shipped("size_categories")) - {"unknown"} == vocabulary.SIZE_CATEGORIES
    assert all(is_language(code) for code in shipped("languages") if len(code) < 4)


@pytest.mark.parametrize("code", ["english", "en-US", "xx", "EN", "", "e"])
def test_what_is_no_language_code(code: str) -> None:
    assert not is_language(code)


def test_a_good_card_has_no_violation() -> None:
    assert card_value_violations(GOOD) == []
    assert card_value_violations(GOOD | {"viewer": False}) == []  # the Hub allows other keys
    sources = ["extended|howto100m", "laion/laion-2b", "msr-vtt"]
    assert card_value_violations(GOOD | {"source_datasets": sources}) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("license", "cc-by4"),
        ("license", None),
        ("language", ["english"]),
        ("language", "en"),
        ("pretty_name", ""),
        ("pretty_name", "two\nlines"),
        ("size_categories", ["many"]),
        ("task_categories", ["video-captioning"]),
        ("task_categories", ["image-text-to-text"]),
        ("task_ids", ["video-captioning"]),
        ("annotations_creators", ["machine"]),
        ("language_creators", ["no-annotation"]),
        ("multilinguality", ["one"]),
        ("source_datasets", ["a b"]),
        ("tags", ["video", ""]),
        ("tags", [1]),
        ("configs", ["clips"]),
        ("dataset_info", [{"features": []}]),
    ],
)
def test_a_wrong_value_is_told_in_one_line_by_its_key(key: str, value: Any) -> None:
    (line,) = card_value_violations(GOOD | {key: value})
    assert line.startswith(f"{key}: ")
    assert "\n" not in line


def test_keys_that_every_release_writes_must_be_there() -> None:
    told = card_value_violations({})
    assert "license: missing" in told
    assert "configs: missing" in told
    assert not any(line.startswith("task_ids") for line in told)
