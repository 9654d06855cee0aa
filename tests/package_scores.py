"""pycocoevalcap's own evaluation of COCO's files, in a process of its own: what ours must equal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# From COCO's files to printed scores; only SPICE is left out of it, which downloads.
_PACKAGE = """
import json, sys
import pycocoevalcap.eval as package
from pycocotools.coco import COCO

class NoSpice:
    def method(self):
        return "SPICE"
    def compute_score(self, gts, res):
        return 0.0, [{}] * len(gts)

package.Spice = NoSpice
coco = COCO(sys.argv[1])
results = coco.loadRes(sys.argv[2])
evaluation = package.COCOEvalCap(coco, results)
evaluation.params["image_id"] = results.getImgIds()
evaluation.evaluate()
with open(sys.argv[3], "w") as out:
    json.dump([evaluation.eval, evaluation.imgToEval], out)
"""


def start_package(references: Path, captions: Path, scores: Path) -> subprocess.Popen[bytes]:
    """Begin to score; at its end `scores` holds those over all, and those of each image."""
    return subprocess.Popen(
        [sys.executable, "-c", _PACKAGE, str(references), str(captions), str(scores)],
        cwd=scores.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def package_name(metric: str) -> str:
    """What the package calls a metric of ours."""
    return metric.replace("BLEU-", "Bleu_").replace("ROUGE-L", "ROUGE_L")
