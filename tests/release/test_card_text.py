"""The dataset card's text: true to the manifest, and deaf to what others wrote."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
import yaml

from card_factory import HISTOGRAM, body, make_manifest, render, rendered, schemas, source_run
from pseudolabel.errors import OptionError
from pseudolabel.release.card.card import card_violations, front_matter, render_card
from pseudolabel.release.manifest import (
    Filtered,
    Merge,
    Previous,
    ReleaseFile,
    SplitCounts,
    Splits,
    Statistics,
)
from pseudolabel.release.splits import split_of

HOSTILE = [
    "He said \"no\" to 'it'\nand left",
    "two\r\n\n# Heading\n\nlines",
    "a cat 😀 and a family 👨‍👩‍👧",
    "\u202egnp.exe\u202c and \u2066more\u2069",
    "---\nlicense: mit\n---",
    "x\u2028---\u2028y\x0b---\x85z",
    "</code></pre><script>alert(1)</script>",
    "<img src=x onerror=alert(1)> &lt;b&gt; &amp;",
    "![](https://evil.example/x.png) ![a][b]",
    "[a](javascript:alert(1)) <https://evil.example> https://evil.example www.evil.example",
    "```\n~~~\n````` x `` y `",
    "{{ 7*7 }}{% raw %} {# #}",
    "a | b \\| c || `|` | d",
    "- [ ] item\n1. one\n> quote\n\tcode",
    "$$x^2$$ :smile: @someone #1 *b* _i_ ~~s~~",
    "` ` lead and trail `",
    "\\",
    "\ud800 lone",
    "\x00\x1b[31m",
    "مرحبا שלום",
    " ",
    "",
]
TAGS = {
    *("h1", "h2", "p", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"),
    *("ul", "li", "img", "a"),
}


def example_block(card: str) -> str:
    (block,) = (t for t in rendered(card) if t.type == "fence" and t.info == "json")
    return block.content


def assert_inert(card: str) -> None:
    """No HTML, no link or image but the template's own, nothing that hides in the text."""
    tokens = rendered(card)
    assert not [t.content for t in tokens if t.type in ("html_block", "html_inline")]
    assert {t.tag for t in tokens if t.tag} <= TAGS
    links = {t.attrs["href"] for t in tokens if t.type == "link_open"}
    assert links == {"https://arxiv.org/abs/2304.02080"}
    images = {str(t.attrs["src"]) for t in tokens if t.type == "image"}
    assert all(image.startswith("figures/") for image in images)
    headings = [t for t in tokens if t.type == "heading_open"]
    assert len(headings) == 12
    assert all(char.isprintable() or char == "\n" for char in body(card))


def test_the_text_counts_what_the_manifest_counts() -> None:
    filters = (Filtered("mean_logprob > -1.5", 1234, 7),)
    previous = Previous("0.9.0", "0" * 64)
    merge = Merge("newest", 1)
    text = body(render(make_manifest(filters=filters, previous=previous, merge=merge)))
    assert "5 clips of 3 videos: 0.4 hours of clips, from 0.5 hours of video" in text
    assert "- `mean_logprob > -1.5`: 1,234, of which 7 for want of the value" in text
    assert "`skipped` has 1 row from 1 video" in text
    assert "16.67 % of its rows" in text
    assert "25 % of the captions were cut off" in text
    assert "This is 1.0.0, after 0.9.0." in text
    assert "In several runs: 1 video, of which" in text
    assert "holds no pixels" in text
    assert "4 clips (80 %) have none" in text
    assert "| `loop` | 1 | 20 % | it says &lt;b&gt;a \\| word&lt;/b&gt; again |" in text
    assert r"- 3 clips: a cup \| of \*tea\*" in text


def test_the_text_says_what_is_not_there() -> None:
    statistics = Statistics(0.5, 0.4, HISTOGRAM, HISTOGRAM, None, None, without_flags=5)
    configs = dict(make_manifest().configs) | {"skipped": {"train": SplitCounts(0, 0, 0)}}
    text = body(
        render(make_manifest(statistics=statistics, configs=configs, splits=Splits({"train": 1.0})))
    )
    assert "No filter was applied." in text
    assert "There is one split: all videos are in it." in text
    assert "No video or clip was skipped." in text
    assert "cut off by the token limit is not known" in text
    assert "mean_logprob.png" not in text
    assert "figures/clip_s.png" in text


def test_images_bring_a_line_on_rights_and_stay_out_of_the_example() -> None:
    manifest = make_manifest()
    statistics = dataclasses.replace(manifest.statistics, images_missing=2)
    manifest = dataclasses.replace(manifest, statistics=statistics)
    row = {"caption": "a cup", "image": {"bytes": b"\xff\xd8", "path": None}}
    card = render_card(manifest, row, schemas(with_images=True))
    assert json.loads(example_block(card)) == {"caption": "a cup"}
    assert "The captions' license does not cover it" in card
    assert "could not be decoded again: 2 clips." in card
    features = front_matter(card)["dataset_info"][0]["features"]
    assert {"name": "image", "dtype": "image"} in features


def test_many_runs_are_cut_short_and_the_rest_is_counted() -> None:
    text = body(render(make_manifest(runs=(source_run(),) * 23)))
    assert text.count("- captioner:") == 20
    assert "`manifest.json` describes 3 more runs." in text


def test_the_split_code_puts_videos_where_export_does() -> None:
    shares = {"train": 0.7, "validation": 0.2, "test": 0.1}
    card = render(make_manifest(splits=Splits(shares)))
    code = next(t.content for t in rendered(card) if t.type == "fence" and "hashlib" in t.content)
    told: dict[str, Any] = {}
    exec(code, told)
    ids = [f"video {number} é" for number in range(500)]
    assert [told["split_of"](i) for i in ids] == [split_of(i, shares) for i in ids]
    assert {told["split_of"](i) for i in ids} == set(shares)


@pytest.mark.parametrize(
    ("name", "repo_id"), [("kitchen", "USER/kitchen"), ("lab/kitchen", "lab/kitchen")]
)
def test_the_loading_code_is_pinned_and_runs(name: str, repo_id: str) -> None:
    card = render(make_manifest(name=name, version="2.1.0"))
    code = next(t.content for t in rendered(card) if "snapshot_download" in t.content)
    compile(code, "card", "exec")
    assert f'"{repo_id}", repo_type="dataset", revision="v2.1.0"' in code
    assert ("in place of `USER`" in card) == (name != repo_id)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_row_comes_back_from_the_example_and_does_nothing(text: str) -> None:
    row = {"video_id": text, "caption": text, "samples": [text, text], text: None, "n": 0.1}
    card = render(make_manifest(), row)
    assert json.loads(example_block(card)) == row
    assert_inert(card)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_prompts_and_filters_do_nothing(text: str) -> None:
    captioner = dict(source_run().captioner)
    captioner |= dict.fromkeys(("model", "revision", "prompt", "decoding", "dtype"), text)
    run = source_run(
        captioner=captioner,
        options={f"--clips{text}": text, "--frames": [text]},
        versions={text: text},
        created_at=text,
    )
    manifest = make_manifest(
        name=f"kitchen{text}", runs=(run,), filters=(Filtered(text or "x", 1, 1),), pseudolabel=text
    )
    card = render(manifest)
    assert_inert(card)
    values = front_matter(card)
    assert list(values) == list(front_matter(render(make_manifest())))
    assert values["license"] == "cc-by-4.0"
    assert card_violations(card, manifest) == []
    # Another reader of cards: whole lines of --- end the YAML.
    lines = card.splitlines()
    assert lines[0] == "---"
    assert yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)])) == values


@pytest.mark.parametrize("text", [t for t in HOSTILE if t.strip()])
def test_hostile_splits_stay_in_their_cells(text: str) -> None:
    counts = {**make_manifest().configs, "clips": {text: SplitCounts(3, 2, 600)}}
    file = ReleaseFile(f"data/clips/{text}-00000-of-00001.parquet", 9, "0" * 64, 3)
    card = render(
        make_manifest(configs=counts, files=(file,), splits=Splits({text: 1.0})),
    )
    assert_inert(card)
    cells = sum(t.type == "td_open" for t in rendered(card))
    rows = sum(t.type == "tr_open" for t in rendered(card))
    assert (cells, rows) == (38 * 3 + 5 * 6 + 1 * 4, 1 + 38 + 1 + 5 + 1 + 1)


def test_what_looks_like_a_template_in_a_row_is_not_run() -> None:
    card = render(make_manifest(name="{{ 7*7 }}"), {"caption": "{{ 7*7 }}"})
    assert "49" not in body(card)


def test_an_own_template_has_the_same_variables_and_our_yaml() -> None:
    template = (
        "# {{ manifest.name }}\n"
        "{% macro told(x) %}*{{ x }}*{% endmacro %}"
        "{{ tag }} {{ manifest.clips|count('clip') }} of {{ videos|count }} "
        "{{ told(manifest.runs[0].captioner.model) }} {{ parts[0].bytes|size }} "
        "{{ manifest.license|code }} {{ 0.5|percent }}"
    )
    run = source_run(captioner={**source_run().captioner, "model": "<b>*x*</b>"})
    manifest = make_manifest(name="my_set", runs=(run,))
    card = render(manifest, template=template)
    assert body(card).strip() == (
        "# my\\_set\nv1.0.0 5 clips of 3 *&lt;b&gt;\\*x\\*&lt;/b&gt;* 1 kB `cc-by-4.0` 50 %"
    )
    assert front_matter(card) == front_matter(render(manifest))
    assert card_violations(card, manifest) == []


@pytest.mark.parametrize(
    ("template", "line", "told"),
    [
        ("a\n\n{% if %}", 3, "Expected an expression"),
        ("a\n{{ nothing }}", 2, "'nothing' is undefined"),
        ("{{ manifest.vesrion }}", 1, "vesrion"),
        ("a\nb\n{{ 1 // 0 }}", 3, "by zero"),
        ("{{ ''.__class__.__mro__ }}", 1, "unsafe"),
        ("\n{% include '/etc/passwd' %}", 2, "loader"),
        ("{{ manifest.runs|nofilter }}", 1, "nofilter"),
    ],
)
def test_a_template_that_fails_is_told_by_its_line(template: str, line: int, told: str) -> None:
    with pytest.raises(OptionError) as caught:
        render(make_manifest(), template=template)
    message = str(caught.value)
    assert message.startswith(f"--card-template: line {line}: ")
    assert told in message
    assert "\n" not in message
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("backends", "opening", "limits"),
    [
        (["transformers"], "by image captioners", ["comes from single frames. It cannot tell mot"]),
        (["video"], "by video captioners", ["comes from a few frames. It cannot tell sound"]),
        (
            ["video", "server"],
            "by image and video captioners",
            [
                "single frames, where `seen_together` is f",
                "few frames, where `seen_together` is tr",
            ],
        ),
    ],
)
def test_it_says_whether_captioners_saw_frames_or_clips(
    backends: list[str], opening: str, limits: list[str]
) -> None:
    captioner = source_run().captioner
    runs = [source_run(captioner={**captioner, "backend": backend}) for backend in backends]
    card = render(make_manifest(runs=tuple(runs)))
    assert f"Captions of video clips, written {opening} and not by people" in card
    assert ("one by one" in card) == (backends != ["video"])
    assert ("captioned together by a captioner of videos" in card) == ("video" in backends)
    told = re.findall(r"^- A caption (comes from .*)$", card, re.M)
    assert len(told) == len(limits)
    assert all(limit in text for limit, text in zip(limits, told, strict=True))
