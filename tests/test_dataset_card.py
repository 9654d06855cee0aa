"""`dataset_card.md` is the card of the demo's release, as the code writes it today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pseudolabel.release.card.card import front_matter
from pseudolabel.release.card.vocabulary import card_value_violations

ROOT = Path(__file__).parent.parent
CARD = ROOT / "dataset_card.md"
# What another machine, another day or another library version gives otherwise: sizes of files,
# hashes, the last digits of floats, dates of runs, versions.
DIFFERING = (
    r"\b[0-9a-f]{16,64}\b",
    r"(?<=_size: )\d+",
    r"(?<=num_bytes: )\d+",
    r"(?<=logprob\": )\S+",
    r"[\d.]+ kB",
    r"\d{4}-\d{2}-\d{2}T\S+",
    r"(?<=- versions: ).*",
)


def settled(card: str) -> str:
    return re.sub("|".join(DIFFERING), "...", card)


def test_it_is_rendered_again_to_the_same_text() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "dataset_card.py")]
    rendered = subprocess.run(script, capture_output=True, encoding="utf-8", check=True).stdout
    assert settled(rendered) == settled(CARD.read_text(encoding="utf-8")), (
        "python scripts/dataset_card.py > dataset_card.md"
    )


def test_the_hub_knows_its_values() -> None:
    values = front_matter(CARD.read_text(encoding="utf-8"))
    assert card_value_violations(values) == []
    assert values["license"] == "cc-by-4.0"
