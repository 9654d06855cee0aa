"""The text of a card, from a Jinja template.

The template is the package's own (`card.md.jinja`) or one that the user gives. It may use:

    manifest     the `Manifest`, with everything that stands in manifest.json
    repo_id      where the set lies on the Hub, such as "USER/kitchen"
    has_account  whether the release's name says so; if not, "USER" stands for an account
    tag          the version's tag, such as "v1.0.0"
    example      a row of `clips`, as a block of JSON
    columns      by config: its columns, each with `name`, `type` and `meaning`
    parts        each split: `config`, `split`, `rows`, `videos`, `files`, `bytes`, `is_loadable`
    videos       how many videos the clips come from
    skipped      `rows` and `videos` of the config `skipped`
    figures      each with `path` and `title`
    has_images   whether clips hold their captioned frame
    load_code    Python that loads exactly this version
    split_code   Python that tells the split of a video id
    citation     BibTeX for the method and for this set

and the filters `code` (inline code), `cell` (the same, in a table), `count` (1,234, and with
`count("clip")` 1,234 clips), `percent` (of a share) and `size` (of bytes). Whatever else a
template prints is escaped, since captions, names and prompts are other people's text. A name
that does not exist is an error.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from pseudolabel.contract import load_schema
from pseudolabel.errors import OptionError
from pseudolabel.release.card.escaping import (
    fenced,
    inline_code,
    json_block,
    plain,
    string_literal,
    visible,
)
from pseudolabel.release.manifest import ROW_SCHEMAS, Manifest, SplitCounts
from pseudolabel.release.rows import IMAGE

if TYPE_CHECKING:
    import jinja2
    import pyarrow as pa

_TEMPLATE = "card.md.jinja"


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one config."""

    config: str
    split: str
    rows: int
    videos: int
    bytes: int  # of its files
    files: int
    arrow_bytes: int  # in memory

    @property
    def is_loadable(self) -> bool:
        """Whether `datasets` can load it: it fails on files that hold no row."""
        return self.rows > 0 and self.files > 0

    @property
    def pattern(self) -> str:
        """Which files hold it."""
        return f"data/{self.config}/{self.split}-*.parquet"


@dataclass(frozen=True, slots=True)
class Column:
    """A column, for a reader."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that stands in the card."""

    path: str  # relative to the card
    title: str


def card_text(
    manifest: Manifest,
    example: Mapping[str, Any],
    schemas: Mapping[str, pa.Schema],
    template: str | None = None,
) -> str:
    """What stands below the YAML.

    Args:
        manifest: Of the release.
        example: A row of `clips`.
        schemas: The Arrow schema of each config.
        template: The text of a template; None for the package's own.

    Raises:
        OptionError: If the given template cannot be rendered, with the line.
    """
    variables = _variables(manifest, example, schemas)
    if template is None:
        own = resources.files(__package__) / _TEMPLATE
        return _environment().from_string(own.read_text(encoding="utf-8")).render(variables)
    try:
        return _environment().from_string(template).render(variables)
    # Whatever a user's template does wrong is the user's to mend, also a division by 0 in it.
    except Exception as error:
        line = getattr(error, "lineno", None) or _line_in_template(error)
        where = f"line {line}: " if line else ""
        raise OptionError(
            f"--card-template: {where}{' '.join(str(error).split()) or type(error).__name__}",
            hint="pydoc pseudolabel.release.card.text lists what a template may use",
        ) from None


def parts(manifest: Manifest) -> list[Part]:
    """The splits of all configs, in the manifest's order."""
    return [
        _part(manifest, config, split, counts)
        for config, splits in manifest.configs.items()
        for split, counts in splits.items()
    ]


def _part(manifest: Manifest, config: str, split: str, counts: SplitCounts) -> Part:
    sizes = [file.bytes for file in manifest.files if (file.config, file.split) == (config, split)]
    return Part(config, split, counts.rows, counts.videos, sum(sizes), len(sizes), counts.bytes)


def _variables(
    manifest: Manifest, example: Mapping[str, Any], schemas: Mapping[str, pa.Schema]
) -> dict[str, Any]:
    from markupsafe import Markup

    has_account = "/" in manifest.name
    repo_id = manifest.name if has_account else f"USER/{manifest.name}"
    skipped = manifest.configs.get("skipped", {}).values()
    return {
        "manifest": manifest,
        "repo_id": repo_id,
        "has_account": has_account,
        "tag": f"v{manifest.version}",
        "example": Markup(json_block({k: v for k, v in example.items() if k != IMAGE})),
        "columns": {name: _columns(name, schema) for name, schema in schemas.items()},
        "parts": parts(manifest),
        "videos": sum(split.videos for split in manifest.configs["clips"].values()),
        "skipped": {
            "rows": sum(split.rows for split in skipped),
            "videos": sum(split.videos for split in skipped),
        },
        "figures": _figures(manifest),
        "has_images": IMAGE in schemas["clips"].names,
        "load_code": Markup(_load_code(manifest, repo_id)),
        "split_code": Markup(_split_code(manifest.splits.shares)),
        "citation": Markup(_citation(manifest, repo_id)),
    }


def _columns(config: str, schema: pa.Schema) -> list[Column]:
    from markupsafe import Markup

    described = load_schema(ROW_SCHEMAS[config])["properties"]
    return [
        Column(
            field.name,
            "image" if field.name == IMAGE else _type(field.type),
            Markup(described.get(field.name, {}).get("description", "")),
        )
        for field in schema
    ]


def _type(arrow: pa.DataType) -> str:
    """An Arrow type under the names that NumPy and `datasets` use."""
    text = re.sub(r"\b(element|item): | not null", "", str(arrow))
    return re.sub(r"\bdouble\b", "float64", re.sub(r"\bfloat\b", "float32", text))


def _figures(manifest: Manifest) -> list[Figure]:
    figures = [
        Figure("figures/caption_words.png", "Length of the captions, in words"),
        Figure("figures/clip_s.png", "Length of the clips, in seconds"),
    ]
    if manifest.statistics.mean_logprob is not None:
        title = "Mean log-probability of a caption's tokens, in nats"
        figures.append(Figure("figures/mean_logprob.png", title))
    if manifest.statistics.chance_percentile is not None:
        title = "Likeness of a caption and its frame, in percentiles of chance"
        figures.append(Figure("figures/chance_percentile.png", title))
    return figures


def _load_code(manifest: Manifest, repo_id: str) -> str:
    loadable = (p.split for p in parts(manifest) if p.config == "clips" and p.is_loadable)
    split = next(loadable, "train")
    return fenced(
        f"""from datasets import load_dataset
from huggingface_hub import snapshot_download

folder = snapshot_download(
    {string_literal(repo_id)}, repo_type="dataset", revision="v{manifest.version}"
)
clips = load_dataset(folder, "clips", split={string_literal(split)})""",
        "python",
    )


def _split_code(shares: Mapping[str, float]) -> str:
    told = ", ".join(f"{string_literal(name)}: {share!r}" for name, share in shares.items())
    return fenced(
        f"""import hashlib

SHARES = {{{told}}}

def split_of(video_id: str) -> str:
    digest = hashlib.sha256(video_id.encode()).digest()
    at, total = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for name, share in SHARES.items():
        total += share
        if at < total:
            return name
    return name""",
        "python",
    )


def _citation(manifest: Manifest, repo_id: str) -> str:
    name = re.sub(r"[{}\\]", "", visible(repo_id))
    return fenced(
        f"""@misc{{lialin2023scalable,
  title = {{Scalable and Accurate Self-supervised Multimodal Representation Learning without
           Aligned Video and Text Data}},
  author = {{Lialin, Vladislav and Rawls, Stephen and Chan, David and Ghosh, Shalini and
            Rumshisky, Anna and Hamza, Wael}},
  year = {{2023}},
  eprint = {{2304.02080}},
  archivePrefix = {{arXiv}}
}}

@misc{{{re.sub("[^A-Za-z0-9]+", "-", name.rpartition("/")[2]).strip("-") or "captions"},
  title = {{{name.rpartition("/")[2]}: machine-made captions of video clips}},
  author = {{{name.partition("/")[0]}}},
  year = {{{manifest.created_at[:4]}}},
  version = {{{manifest.version}}},
  howpublished = {{https://huggingface.co/datasets/{name}}}
}}""",
        "bibtex",
    )


def _environment() -> jinja2.Environment:
    """Where a template is rendered: it reaches nothing, and prints nothing unescaped."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=True,  # so that what macros and set blocks make is not escaped twice
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "code": lambda value: _made(inline_code(value)),
        "cell": lambda value: _made(inline_code(value, in_table=True)),
        "count": _count,
        "percent": lambda value: _made(_percent(value)),
        "size": lambda value: _made(_size(value)),
    }
    return environment


def _inert(value: object) -> object:
    """What is printed, as text that does nothing; numbers, and what the filters made, as is."""
    return value if hasattr(value, "__html__") else _made(_number_or_text(value))


def _number_or_text(value: object) -> str:
    return str(value) if isinstance(value, int | float) else plain(value)


def _made(text: str) -> object:
    """Text that is Markdown already."""
    from markupsafe import Markup

    return Markup(text)


def _count(value: float, noun: str = "") -> object:
    return _made(f"{value:,} {noun}{'' if value == 1 else 's'}" if noun else f"{value:,}")


def _percent(share: float) -> str:
    """A share of 1 in percent: `0 %` and `100 %` only where it is just that."""
    if 0 < share < 0.0001:
        return "under 0.01 %"
    if 0.9999 < share < 1:
        return "over 99.99 %"
    return f"{share:.2%}".replace(".00%", "%").replace("%", " %")


def _size(count: float) -> str:
    """Bytes for a person: `512 B`, `3.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _line_in_template(error: BaseException) -> int | None:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == "<template>"]
    return lines[-1] if lines else None
