"""The Java that two parts of pycocoevalcap run on."""

from __future__ import annotations

import shutil

from pseudolabel.errors import EvaluationError


def find_java() -> str:
    """The `java` program.

    Raises:
        EvaluationError: If there is none, saying what needs it.
    """
    found = shutil.which("java")
    if found is None:
        raise EvaluationError(
            "no java: METEOR and the tokenizer that BLEU, ROUGE-L and CIDEr are published with "
            "(PTBTokenizer) need it",
            hint="apt-get install default-jre-headless, or conda install openjdk; or --no-java: "
            "all but METEOR, with a tokenizer near to that one",
        )
    return found


def last_line(stderr: bytes) -> str:
    """What a program said last, or that it said nothing."""
    lines = stderr.decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
