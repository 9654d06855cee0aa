"""What the Hub accepts in the YAML of a dataset card, known without asking it.

Sources, as of late 2026:

- licenses: `docs/hub/repositories-licenses.md` of huggingface/hub-docs, from which the Hub's own
  list is made, with what it took up since (eupl-1.2, grok2, llama 3 and 4, openmdw, ...);
- tasks and their subtasks: `packages/tasks/src/pipelines.ts` of huggingface/huggingface.js;
- creators, multilinguality, sizes: `datasets/utils/resources` of the package `datasets`;
- languages: ISO 639-1, and the form of ISO 639-3.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from pseudolabel.errors import OptionError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LICENSES = _words(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause
    bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0
    cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
    eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research
    intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0
    openmdw-1.1 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr
    deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2
    llama3.3 llama4 grok2-community gemma unknown other
    """
)
USUAL_LICENSES = ("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "odc-by")

# Tasks that the Hub offers as filters for datasets: those that its list hides there are left out.
TASK_CATEGORIES = _words(
    """
    text-classification token-classification table-question-answering question-answering
    zero-shot-classification translation summarization feature-extraction text-generation
    text2text-generation fill-mask sentence-similarity text-to-speech text-to-audio
    automatic-speech-recognition audio-to-audio audio-classification voice-activity-detection
    depth-estimation image-classification object-detection image-segmentation text-to-image
    image-to-text image-to-image image-to-video unconditional-image-generation
    video-classification reinforcement-learning robotics tabular-classification
    tabular-regression tabular-to-text table-to-text multiple-choice text-ranking text-retrieval
    time-series-forecasting text-to-video visual-question-answering
    zero-shot-image-classification graph-ml mask-generation zero-shot-object-detection text-to-3d
    image-to-3d image-feature-extraction video-text-to-text
    """
)
# Subtasks of the tasks that look at pictures.
TASK_IDS = _words(
    """
    multi-label-image-classification multi-class-image-classification face-detection
    vehicle-detection instance-segmentation semantic-segmentation panoptic-segmentation
    image-captioning image-inpainting image-colorization super-resolution
    visual-question-answering
    """
)
LANGUAGE_CREATORS = frozenset(
    ("found", "crowdsourced", "expert-generated", "machine-generated", "other")
)
ANNOTATIONS_CREATORS = LANGUAGE_CREATORS | {"no-annotation"}
MULTILINGUALITY = frozenset(("monolingual", "multilingual", "translation", "other"))

_SIZES = (
    ("n<1K", 10**3),
    ("1K<n<10K", 10**4),
    ("10K<n<100K", 10**5),
    ("100K<n<1M", 10**6),
    ("1M<n<10M", 10**7),
    ("10M<n<100M", 10**8),
    ("100M<n<1B", 10**9),
    ("1B<n<10B", 10**10),
    ("10B<n<100B", 10**11),
    ("100B<n<1T", 10**12),
)
SIZE_CATEGORIES = frozenset((*(name for name, _ in _SIZES), "n>1T"))

_ISO_639_1 = _words(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz
    ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln
    lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi
    pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th
    ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """
)
_ISO_639_3 = re.compile(r"[a-z]{3}")
_REPO_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_SOURCE = re.compile(rf"original|extended(?:\|.+)?|{_REPO_NAME}(?:/{_REPO_NAME})?")
_TAG_LENGTH = 100


def check_license(value: str) -> None:
    """Refuse a license that the Hub does not know.

    Raises:
        OptionError: If it is not on the list, with the nearest ones that are.
    """
    if value in LICENSES:
        return
    plain = re.sub(r"[\s_]+", "-", value.strip().lower())
    near = difflib.get_close_matches(plain, sorted(LICENSES), n=3, cutoff=0.7)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise OptionError(
        f"--license {value!r} is not a license the Hub knows",
        hint=f"{meant}usual for captions: {', '.join(USUAL_LICENSES)}; "
        "all: https://huggingface.co/docs/hub/repositories-licenses",
    )


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows, such as `1K<n<10K`."""
    return next((name for name, limit in _SIZES if rows < limit), "n>1T")


def is_language(code: str) -> bool:
    """Whether a code is of ISO 639-1, or has the form of ISO 639-3."""
    return code in _ISO_639_1 or _ISO_639_3.fullmatch(code) is not None


def card_value_violations(values: Mapping[str, Any]) -> list[str]:
    """What the Hub would refuse, or not understand, in the YAML of a card; one line each.

    `configs` and `dataset_info` are looked at in their outer form only: what they must say
    depends on the release.

    Args:
        values: The parsed front matter. Keys that are not the Hub's are allowed, as there.
    """
    found = [f"{key}: missing" for key in _RULES if key not in values and key not in _OPTIONAL]
    for key, value in values.items():
        if key in _RULES:
            found += [f"{key}: {wrong}" for wrong in _RULES[key](value)]
    return found


def _text(value: Any) -> list[str]:
    is_text = isinstance(value, str) and value.strip() and value.isprintable()
    return [] if is_text else [f"{_shown(value)} is not a line of text"]


def _license(value: Any) -> list[str]:
    return [
        f"{_shown(license)} is not a license the Hub knows"
        for license in (value if isinstance(value, list) else [value])
        if not isinstance(license, str) or license not in LICENSES
    ]


def _list_of(allows: Callable[[str], bool], what: str) -> Callable[[Any], list[str]]:
    def violations(value: Any) -> list[str]:
        if not isinstance(value, list) or not value:
            return [f"{_shown(value)} is not a list of values"]
        return [
            f"{_shown(item)} is not {what}"
            for item in value
            if not isinstance(item, str) or not allows(item)
        ]

    return violations


def _one_of(names: frozenset[str]) -> Callable[[Any], list[str]]:
    near = ", ".join(sorted(names)) if len(names) < 15 else "the Hub's"
    return _list_of(names.__contains__, f"one of {near}")


def _mappings(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if items and all(isinstance(item, dict) and "config_name" in item for item in items):
        return []
    return ["each entry must be a mapping with a config_name"]


def _shown(value: Any) -> str:
    """A value as it may stand in a message: one line, not too long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_RULES: dict[str, Callable[[Any], list[str]]] = {
    "license": _license,
    "language": _list_of(is_language, "an ISO 639 code such as 'en'"),
    "pretty_name": _text,
    "size_categories": _one_of(SIZE_CATEGORIES),
    "task_categories": _one_of(TASK_CATEGORIES),
    "task_ids": _one_of(TASK_IDS),
    "annotations_creators": _one_of(ANNOTATIONS_CREATORS),
    "language_creators": _one_of(LANGUAGE_CREATORS),
    "multilinguality": _one_of(MULTILINGUALITY),
    "source_datasets": _list_of(
        lambda item: _SOURCE.fullmatch(item) is not None,
        "original, extended, extended|NAME or a dataset of the Hub",
    ),
    "tags": _list_of(
        lambda item: 0 < len(item.strip()) <= _TAG_LENGTH and item.isprintable(),
        "a tag of one line",
    ),
    "configs": _mappings,
    "dataset_info": _mappings,
}
_OPTIONAL = frozenset(("task_ids", "language_creators", "multilinguality"))
