"""The dataset card's YAML: what the Hub wants, what real files hold, what a manifest says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from card_factory import make_manifest, render
from pseudolabel.errors import ReleaseError
from pseudolabel.release.card.card import card_violations, front_matter
from pseudolabel.release.card.vocabulary import card_value_violations
from pseudolabel.release.manifest import Manifest, SplitCounts
from pseudolabel.release.rows import CONFIGS, arrow_schema


def test_the_yaml_says_what_the_hub_wants() -> None:
    values = front_matter(render(make_manifest(name="user/kitchen")))
    assert card_value_violations(values) == []
    assert values["license"] == "cc-by-4.0"
    assert values["pretty_name"] == "kitchen"
    assert values["size_categories"] == ["n<1K"]
    assert values["annotations_creators"] == ["machine-generated"]
    assert [config["config_name"] for config in values["configs"]] == list(CONFIGS)
    assert [config.get("default") for config in values["configs"]] == [True, None, None]
    assert values["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/clips/train-*.parquet"},
        {"split": "validation", "path": "data/clips/validation-*.parquet"},
    ]
    clips = next(info for info in values["dataset_info"] if info["config_name"] == "clips")
    assert clips["splits"][0] == {"name": "train", "num_bytes": 600, "num_examples": 3}
    assert (clips["download_size"], clips["dataset_size"]) == (2_000, 1_000)


def test_the_same_manifest_gives_the_same_card() -> None:
    assert render(make_manifest()) == render(make_manifest())


def test_a_split_without_rows_is_not_promised() -> None:
    card = render(make_manifest())
    values = front_matter(card)
    assert "| `skipped` | `validation` | 0 | 0 |" in card
    assert "What has no rows cannot be loaded" in card
    skipped = next(c for c in values["configs"] if c["config_name"] == "skipped")
    assert [item["split"] for item in skipped["data_files"]] == ["train"]


def test_two_languages_are_multilingual() -> None:
    values = front_matter(render(make_manifest(language=("en", "de"))))
    assert values["language"] == ["en", "de"]
    assert values["multilinguality"] == ["multilingual"]


def write_release(folder: Path, manifest: Manifest) -> Manifest:
    """Real Parquet files for the rows that a manifest counts; the manifest with their sizes."""
    files = []
    for file in manifest.files:
        config = file.path.split("/")[1]
        schema = arrow_schema(config)
        columns = {
            field.name: pa.array([_sample(field.type)] * (file.rows or 0), field.type)
            for field in schema
        }
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns, schema=schema), path)
        files.append(dataclasses.replace(file, bytes=path.stat().st_size))
    return dataclasses.replace(manifest, files=tuple(files))


def _sample(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return 'He said "no"\n🙂 \u202e'
    if pa.types.is_list(kind):
        return [_sample(kind.value_type)]
    if pa.types.is_struct(kind):
        return {field.name: _sample(field.type) for field in kind}
    return pa.scalar(1).cast(kind).as_py()


def test_datasets_loads_a_folder_with_the_card_and_holds_it_to_its_counts(tmp_path: Path) -> None:
    import datasets
    from datasets.exceptions import NonMatchingSplitsSizesError

    manifest = write_release(tmp_path / "good", make_manifest())
    (tmp_path / "good" / "README.md").write_text(render(manifest), encoding="utf-8")

    def load(folder: str, *config: str) -> datasets.DatasetDict:
        loaded = datasets.load_dataset(
            str(tmp_path / folder), *config, cache_dir=str(tmp_path / "cache")
        )
        assert isinstance(loaded, datasets.DatasetDict)
        return loaded

    for config in CONFIGS:
        loaded = load("good", config)
        counts = {s: c.rows for s, c in manifest.configs[config].items() if c.rows}
        assert loaded.num_rows == counts
        expected = datasets.Features.from_arrow_schema(arrow_schema(config))
        assert all(split.features == expected for split in loaded.values())
    assert load("good").num_rows == load("good", "clips").num_rows  # the default config

    clips = {**manifest.configs["clips"], "train": SplitCounts(4, 2, 600)}
    wrong = {**manifest.configs, "clips": clips}
    (tmp_path / "good").rename(tmp_path / "wrong")
    lies = render(dataclasses.replace(manifest, configs=wrong))
    (tmp_path / "wrong" / "README.md").write_text(lies, encoding="utf-8")
    with pytest.raises(NonMatchingSplitsSizesError):
        load("wrong", "clips")


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ("# no yaml", "does not begin with YAML"),
        ("\n---\nlicense: mit\n---\n", "does not begin with YAML"),
        ("---\nlicense: mit\n", "does not begin with YAML"),
        ("---\n- a\n---\n", "not a mapping"),
        ("---\na: [\n---\n", "cannot be read"),
        ("---\na: &a [*a, *a]\nb: !!python/object:os.system x\n---\n", "cannot be read"),
        ("---\ndate: 2026-99-99\n---\n", "cannot be read"),
    ],
)
def test_a_card_without_yaml_is_refused_and_told(card: str, told: str) -> None:
    with pytest.raises(ReleaseError, match=told) as caught:
        front_matter(card)
    assert "\n" not in str(caught.value)
    (line,) = card_violations(card, make_manifest())
    assert told in line


def test_line_ends_of_windows_are_yaml_too() -> None:
    card = render(make_manifest())
    assert front_matter(card.replace("\n", "\r\n")) == front_matter(card)


def test_a_card_agrees_with_its_own_manifest() -> None:
    for version in ("1.0.0", "0.1.10", "10.20.30"):
        manifest = make_manifest(version=version)
        assert card_violations(render(manifest), manifest) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("license: cc-by-4.0", "license: mit", "license: 'mit', but the manifest says 'cc-by"),
        ("license: cc-by-4.0", "license: cc-by4", "'cc-by4' is not a license the Hub knows"),
        ("- en\n", "- de\n", "language: ['de'], but"),
        ("n<1K", "1K<n<10K", "size_categories: ['1K<n<10K'], but"),
        ("- image-to-text", "- video-captioning", "task_categories: 'video-captioning' is not"),
        ("num_examples: 3", "num_examples: 4", "clips: num_examples: train is 4, must be 3"),
        ("num_bytes: 600", "num_bytes: 1", "clips: num_bytes: train is 1, must be 600"),
        ("download_size: 2000", "download_size: 1", "clips: download_size is 1, must be 2000"),
        ("clips/train-*", "clips/test-*", "configs: clips: train is 'data/clips/test-*.parquet'"),
        ("  - split: validation", "  - split: test", "configs: clips: test is not in the rel"),
        ("config_name: frames\n  data", "config_name: more\n  data", "configs: more is not in"),
        ("  default: true\n", "", "configs: the default must be clips"),
        ("- config_name: clips\n  features", "- config_name: x\n  features", "train is None"),
    ],
)
def test_a_card_that_differs_from_the_manifest_is_told(old: str, new: str, told: str) -> None:
    card = render(make_manifest())
    assert old in card
    lines = card_violations(card.replace(old, new, 1), make_manifest())
    assert any(told in line for line in lines), lines
    assert all("\n" not in line for line in lines)


def test_a_card_of_another_version_is_told() -> None:
    newer = make_manifest(version="1.0.1")
    assert card_violations(render(make_manifest()), newer) == [
        "text: does not say that this is version 1.0.1"
    ]
    longer = render(make_manifest(version="11.0.0"))
    assert "text: does not say that this is version 1.0.0" in card_violations(
        longer, make_manifest()
    )


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [None], [[]], {"a": 1}, [{"splits": 1}]])
def test_any_yaml_is_told_and_breaks_nothing(value: Any) -> None:
    good = front_matter(render(make_manifest()))
    for key in good.keys() - {"pretty_name"}:
        card = f"---\n{yaml.safe_dump({**good, key: value})}---\n1.0.0\n"
        assert card_violations(card, make_manifest()), key
