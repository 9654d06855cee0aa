"""The card of a release: `README.md`, whose YAML the Hub reads and whose text a person reads.

Every number in it comes from the manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import ReleaseError
from pseudolabel.release.card.escaping import visible
from pseudolabel.release.card.text import Part, card_text, parts
from pseudolabel.release.card.vocabulary import card_value_violations, size_category
from pseudolabel.release.manifest import CARD, Manifest

if TYPE_CHECKING:
    import pyarrow as pa

TAGS = ("video", "video-captioning", "pseudolabels", "synthetic")
DEFAULT_CONFIG = "clips"
_YAML = re.compile(r"\A---[ \t]*\r?\n(.*?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def render_card(
    manifest: Manifest,
    example: Mapping[str, Any],
    schemas: Mapping[str, pa.Schema],
    template: str | None = None,
) -> str:
    """The card of a release.

    Args:
        manifest: Of the release. Only its data files need be listed in it yet.
        example: A row of `clips`; a column of images is left out.
        schemas: The Arrow schema of each config, with the Hugging Face features in it.
        template: The text of a Jinja template, for what stands below the YAML.

    Raises:
        OptionError: If the given template cannot be rendered, with the line.
    """
    import yaml

    values = card_values(manifest, schemas)
    front = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1_000)
    text = card_text(manifest, example, schemas, template)
    return f"---\n{front}---\n\n{text.strip()}\n"


def card_values(manifest: Manifest, schemas: Mapping[str, pa.Schema]) -> dict[str, Any]:
    """What the YAML of a card says."""
    is_one = len(manifest.language) == 1
    return {
        "license": manifest.license,
        "language": list(manifest.language),
        "pretty_name": visible(manifest.name.rpartition("/")[2]),
        "size_categories": [size_category(manifest.clips)],
        "task_categories": ["video-text-to-text", "image-to-text"],
        "task_ids": ["image-captioning"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "multilinguality": ["monolingual" if is_one else "multilingual"],
        "source_datasets": ["original"],
        "tags": list(TAGS),
        "configs": _configs(manifest),
        "dataset_info": _dataset_info(manifest, schemas),
    }


def front_matter(card: str) -> dict[str, Any]:
    """The YAML of a card, parsed.

    Raises:
        ReleaseError: If there is none, or it cannot be read.
    """
    import yaml

    hint = "pseudolabel export writes a card"
    match = _YAML.match(card)
    if match is None:
        raise ReleaseError(f"{CARD}: does not begin with YAML between two lines of ---", hint=hint)
    try:
        values = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ReleaseError(f"{CARD}: its YAML cannot be read: {told}", hint=hint) from None
    if not isinstance(values, dict):
        raise ReleaseError(f"{CARD}: its YAML is not a mapping", hint=hint)
    return {str(key): value for key, value in values.items()}


def card_violations(card: str, manifest: Manifest) -> list[str]:
    """Where a card differs from its release, or from what the Hub accepts; one line each."""
    try:
        values = front_matter(card)
    except ReleaseError as error:
        return [str(error).removeprefix(f"{CARD}: ")]
    found = card_value_violations(values)
    told = {
        "license": manifest.license,
        "language": list(manifest.language),
        "size_categories": [size_category(manifest.clips)],
    }
    found += [
        f"{key}: {values[key]!r}, but the manifest says {value!r}"
        for key, value in told.items()
        if key in values and values[key] != value
    ]
    found += _config_violations(values.get("configs"), manifest)
    found += _count_violations(values.get("dataset_info"), manifest)
    version = re.compile(rf"(?<![\d.]){re.escape(manifest.version)}(?!\.?\d)")
    if not version.search(_YAML.sub("", card)):
        found.append(f"text: does not say that this is version {manifest.version}")
    return found


def _configs(manifest: Manifest) -> list[dict[str, Any]]:
    return [
        {
            "config_name": config,
            **({"default": True} if config == DEFAULT_CONFIG else {}),
            "data_files": [{"split": part.split, "path": part.pattern} for part in its],
        }
        for config, its in _by_config(manifest).items()
    ]


def _dataset_info(manifest: Manifest, schemas: Mapping[str, pa.Schema]) -> list[dict[str, Any]]:
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict

    infos = DatasetInfosDict()
    for config, its in _by_config(manifest).items():
        splits = {p.split: SplitInfo(p.split, p.arrow_bytes, p.rows) for p in its}
        infos[config] = DatasetInfo(
            features=Features.from_arrow_schema(schemas[config]),
            splits=SplitDict(splits),
            download_size=sum(p.bytes for p in its),
            dataset_size=sum(p.arrow_bytes for p in its),
            config_name=config,
        )
    data: dict[str, Any] = {}
    infos.to_dataset_card_data(data)
    info = data.get("dataset_info", [])
    return info if isinstance(info, list) else [info]


def _config_violations(value: Any, manifest: Manifest) -> Iterator[str]:
    """Where `configs` names other files than the release has, or no default."""
    wanted = {
        config["config_name"]: {item["split"]: item["path"] for item in config["data_files"]}
        for config in _configs(manifest)
    }
    told = {str(item.get("config_name")): item for item in _mappings(value)}
    for name, files in wanted.items():
        found = {
            str(item.get("split")): item.get("path")
            for item in _mappings(told.get(name, {}).get("data_files"))
        }
        yield from _differences(f"configs: {name}", found, files)
    for name in told.keys() - wanted.keys():
        yield f"configs: {name} is not in the release"
    defaults = [name for name, item in told.items() if item.get("default") is True]
    if defaults != [DEFAULT_CONFIG]:
        yield f"configs: the default must be {DEFAULT_CONFIG}, and it alone"


def _count_violations(value: Any, manifest: Manifest) -> Iterator[str]:
    """Where `dataset_info` counts otherwise than the manifest."""
    told = {str(item.get("config_name")): item for item in _mappings(value)}
    for name, its in _by_config(manifest).items():
        info = told.get(name, {})
        splits = {str(item.get("name")): item for item in _mappings(info.get("splits"))}
        for key in ("num_examples", "num_bytes"):
            found = {split: item.get(key) for split, item in splits.items()}
            wanted = {p.split: p.rows if key == "num_examples" else p.arrow_bytes for p in its}
            yield from _differences(f"dataset_info: {name}: {key}", found, wanted)
        sizes = {
            "download_size": sum(p.bytes for p in its),
            "dataset_size": sum(p.arrow_bytes for p in its),
        }
        yield from _differences(
            f"dataset_info: {name}", {key: info.get(key) for key in sizes}, sizes
        )


def _differences(where: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if found.get(name) != value:
            yield f"{where}: {name} is {found.get(name)!r}, must be {value!r}"
    for name in found.keys() - wanted.keys():
        yield f"{where}: {name} is not in the release"


def _mappings(value: Any) -> list[Mapping[Any, Any]]:
    """Those items of a list that are mappings; a mapping alone counts as a list of it."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _by_config(manifest: Manifest) -> dict[str, list[Part]]:
    """What the YAML promises: a split without rows in it would fail its whole config."""
    found: dict[str, list[Part]] = {}
    for part in parts(manifest):
        if part.is_loadable:
            found.setdefault(part.config, []).append(part)
    return found
