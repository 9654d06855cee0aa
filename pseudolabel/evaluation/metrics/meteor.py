"""METEOR 1.5 in its own JVM: started once, asked for any number of systems."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.meteor import meteor

from pseudolabel.errors import EvaluationError
from pseudolabel.evaluation.metrics.java import find_java, last_line

_JVM = ("-Xmx2G", "-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
_LAST_WORDS_S = 1.0  # from failing to ending
JAR = Path(meteor.__file__).with_name(meteor.METEOR_JAR)


class MeteorJudge:
    """pycocoevalcap's METEOR, with a JVM whose failures can be told.

    The JVM takes seconds to load its paraphrases: it starts when this is made and loads while the
    caller does something else.

    Raises:
        EvaluationError: If there is no Java.
    """

    def __init__(self) -> None:
        # Nobody reads a pipe while METEOR works, and a full one would stop it.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the JVM
        try:
            self._scorer = _Scorer(find_java(), self._complaints.fileno())
        except BaseException:
            self._complaints.close()
            raise

    def score(
        self, references: Mapping[str, Sequence[str]], captions: Mapping[str, str]
    ) -> tuple[float, NDArray[np.float64]]:
        """The score over all ids, and of each, in [0, 1].

        Args:
            references: Tokenized references by id.
            captions: One tokenized caption for each of the same ids.

        Raises:
            EvaluationError: If the JVM ends, or answers something else than numbers.
        """
        try:
            total, each = self._scorer.compute_score(
                {key: [_one_field(text) for text in texts] for key, texts in references.items()},
                {key: [_one_field(text)] for key, text in captions.items()},
            )
        except (OSError, ValueError) as error:
            why = self._why(error)
            self.close()
            raise EvaluationError(
                f"METEOR's Java failed: {why}",
                hint="it needs 2 GB of memory; --no-java scores without METEOR",
            ) from None
        return float(total), np.array(each, dtype=np.float64)

    def close(self) -> None:
        """End the JVM."""
        self._scorer.end()
        self._complaints.close()

    def _why(self, error: Exception) -> str:
        """What it said last, else how it ended, else what came of it here."""
        if self._complaints.closed:
            return "it has ended"
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._scorer.meteor_p.wait(_LAST_WORDS_S)
        self._complaints.seek(0)
        text = self._complaints.read()
        if text.strip():
            return last_line(text)
        return f"it ended with {code}" if code else str(error)


class _Scorer(meteor.Meteor):  # type: ignore[misc]  # the package has no types
    """The package's protocol over a process of ours.

    The package's own starts `java` in the user's locale (a decimal comma breaks its parsing) and
    waits for ever at the end of a process that failed, for its lock is then still held.
    """

    def __init__(self, java: str, complaints: int) -> None:
        self.lock = threading.RLock()  # a failure leaves it held
        self.meteor_p = subprocess.Popen(
            [java, *_JVM, "-jar", str(JAR), "-", "-", "-stdio", "-l", "en", "-norm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )

    def end(self) -> None:
        self.meteor_p.kill()
        for stream in filter(None, (self.meteor_p.stdin, self.meteor_p.stdout)):
            with contextlib.suppress(OSError):  # what was not yet written cannot be
                stream.close()
        self.meteor_p.wait()

    def __del__(self) -> None:
        pass  # `MeteorJudge` ends it


def _one_field(text: str) -> str:
    return text.replace("|||", " ")  # what its protocol puts between fields
