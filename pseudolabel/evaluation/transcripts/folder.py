"""The folder that `transcribe` fills: a pair of files a video, each there whole or not at all.

TRANSCRIPTS/
  .transcribe           options and versions; written once
  VIDEO_ID.vtt          WebVTT
  VIDEO_ID.json         with words; written last: where it stands, the video is done
  skipped.jsonl         what the last start could not transcribe, and why
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from pseudolabel.errors import RunError
from pseudolabel.files import explained, take_lock, write_whole
from pseudolabel.records import Video
from pseudolabel.runs.storage.resume import check_same_options
from pseudolabel.speech.transcript_files import read_header, transcript_name

MANIFEST = ".transcribe"  # without a suffix, so that nobody takes it for a transcript
LOCK = ".lock"
SKIPPED = "skipped.jsonl"


class TranscriptFolder:
    """A folder of transcripts, for one writer at a time; use it as a context manager.

    Args:
        path: A local folder; made if it is not there.
        options: What can change a transcript, under the names of the command's options.

    Raises:
        RunError: If the folder cannot be written, holds something else, was made with other
            options, or another process writes to it.
    """

    def __init__(self, path: str, options: Mapping[str, Any]) -> None:
        self.path = path
        self._root = Path(path)
        self._options = dict(options)
        self._skipped: IO[str] | None = None
        if "://" in path:
            raise RunError(f"{path}: not a local folder", hint="write here, then copy it there")
        with _explained(path):
            self._refuse_other_contents()
            self._is_made_here = not self._root.exists()
            self._root.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path, self._root / LOCK)
        try:
            self._check_options()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> TranscriptFolder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._skipped is not None:
            self._skipped.close()
        if not (self._root / MANIFEST).exists():  # nothing was written: leave no trace
            (self._root / LOCK).unlink()
            if self._is_made_here:
                self._root.rmdir()
        self._lock.close()  # gives the lock back

    def has(self, video: Video) -> bool:
        """Whether the video, with the content it has now, was transcribed before."""
        vtt, words = self._paths(video.video_id)
        if not (vtt.is_file() and words.is_file()):
            return False
        header = read_header(words)
        return (
            header is not None
            and header.get("video_id") == video.video_id
            and header.get("listed") == video.listed
        )

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write down the options of a new folder, and drop the list of what was skipped before.

        Args:
            manifest: More about who made it.
        """
        path = self._root / MANIFEST
        with _explained(self.path):
            if not path.exists():
                made = {"options": self._options, **manifest}
                _write(path, json.dumps(made, indent=2, ensure_ascii=False) + "\n")
            self._skipped = (self._root / SKIPPED).open("w", encoding="utf-8")

    def forget_skipped(self) -> None:
        """Empty the list of what was skipped before, where there is one: now nothing was."""
        path = self._root / SKIPPED
        with _explained(self.path):
            if path.exists() and path.stat().st_size:
                path.write_bytes(b"")

    def write(self, video_id: str, vtt: str, words: str) -> None:
        """Write the transcript of a video.

        Raises:
            RunError: If there is no space, or the folder cannot be written.
        """
        vtt_path, words_path = self._paths(video_id)
        with _explained(self.path):
            vtt_path.parent.mkdir(parents=True, exist_ok=True)
            words_path.unlink(missing_ok=True)  # of other content: until both are new, not done
            _write(vtt_path, vtt)
            _write(words_path, words)

    def skip(self, line: Mapping[str, Any]) -> None:
        """Write down a video that could not be transcribed; after `begin`."""
        assert self._skipped is not None, "begin() comes first"
        text = json.dumps(dict(line), ensure_ascii=False) + "\n"
        with _explained(self.path):
            self._skipped.write(text.encode("utf-8", "backslashreplace").decode())
            self._skipped.flush()

    def _paths(self, video_id: str) -> tuple[Path, Path]:
        name = transcript_name(video_id)
        return self._root / f"{name}.vtt", self._root / f"{name}.json"

    def _refuse_other_contents(self) -> None:
        if not self._root.exists() or (self._root / MANIFEST).exists():
            return
        names = {path.name for path in self._root.iterdir()} - {LOCK, MANIFEST + ".tmp"}
        if names:
            raise RunError(
                f"{self.path}: is not empty, and transcribe did not make it",
                hint="choose an --out that does not exist yet",
            )

    def _check_options(self) -> None:
        path = self._root / MANIFEST
        with _explained(self.path):
            if not path.exists():
                return
            text = path.read_text(encoding="utf-8", errors="replace")
        try:
            made_with = json.loads(text)["options"]
        except (ValueError, KeyError, TypeError):
            raise RunError(
                f"{path}: cannot be understood", hint="choose another --out, or delete this file"
            ) from None
        check_same_options(self.path, made_with, self._options)


def _explained(path: str) -> AbstractContextManager[None]:
    room = "make room, then run the same command again: what is finished is kept"
    return explained(path, RunError, when_full=("no space left to write to", room))


def _locked(path: str, lock_path: Path) -> IO[bytes]:
    return take_lock(
        lock_path,
        busy=RunError(
            f"{path}: another process is writing to it", hint="wait for it, or choose another --out"
        ),
    )


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode(), locked=True)
