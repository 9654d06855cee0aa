"""The example that pycocoevalcap carries, for who has COCO's captions: its scores, to the digit.

Its references are `captions_val2014.json` of the COCO dataset, which is not ours to ship. With
that file and the package's `example/captions_val2014_fakecap_results.json` in a folder that
`PSEUDOLABEL_COCO_EXAMPLE` names, the test runs.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from package_scores import package_name, start_package
from pseudolabel.evaluation.evaluate import evaluate

FOLDER = os.environ.get("PSEUDOLABEL_COCO_EXAMPLE")
PRINTED = {  # by the package's authors, in the demo of tylin/coco-caption
    **{"BLEU-1": 0.579, "BLEU-2": 0.404, "BLEU-3": 0.279, "BLEU-4": 0.191},
    **{"METEOR": 0.195, "ROUGE-L": 0.396, "CIDEr": 0.600},
}


@pytest.mark.skipif(FOLDER is None, reason="needs COCO's captions: PSEUDOLABEL_COCO_EXAMPLE")
@pytest.mark.skipif(shutil.which("java") is None, reason="no java on this machine")
def test_scores_of_the_packages_example_are_the_packages(tmp_path: Path) -> None:
    assert FOLDER is not None
    references = Path(FOLDER, "captions_val2014.json").resolve()
    captions = Path(FOLDER, "captions_val2014_fakecap_results.json").resolve()
    package = start_package(references, captions, tmp_path / "theirs.json")
    found = evaluate(str(captions), str(references)).scores
    assert package.wait() == 0
    corpus, by_id = json.loads((tmp_path / "theirs.json").read_text())
    assert len(found.ids) == len(by_id) == 1000
    for name, printed in PRINTED.items():
        assert found.corpus[name] == pytest.approx(corpus[package_name(name)], abs=1e-6)
        assert round(found.corpus[name], 3) == printed
        each = [by_id[key][package_name(name)] for key in found.ids]
        np.testing.assert_allclose(found.per_id[name], each, rtol=0, atol=1e-6)
