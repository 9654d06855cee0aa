"""Writes dataset_card.md: the card of the release that the demo's run makes.

python scripts/dataset_card.py > dataset_card.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pseudolabel


def main() -> None:
    """Run the demo, make a release of it, and print its card."""
    with tempfile.TemporaryDirectory() as folder:
        run = pseudolabel.run_demo(str(Path(folder) / "demo")).run
        options = pseudolabel.ReleaseOptions(
            version="1.0.0",
            license="cc-by-4.0",
            name="USER/pseudolabel-demo",
            split="train=0.7,validation=0.3",
            date="2026-11-23",
        )
        out = Path(folder) / "release"
        pseudolabel.export([run], str(out), options)
        sys.stdout.write((out / "README.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
