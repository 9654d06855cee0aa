"""The transcripts of videos, from wherever they are: matched, read, and what did not work told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pseudolabel.errors import InputError
from pseudolabel.evaluation.transcripts.choice import Candidate, choose, read_mapping
from pseudolabel.evaluation.transcripts.tables import iter_parquet
from pseudolabel.records import SkipReason, Video
from pseudolabel.speech.many_videos import is_of_many_videos, iter_howto100m, iter_table
from pseudolabel.speech.names import VideoNames, stem_of
from pseudolabel.speech.transcripts import TRANSCRIPT_SUFFIXES, Transcript, read_transcript
from pseudolabel.videos.sources.entries import has_video_suffix, valid_id

_KINDS = (
    "give a folder of transcripts, a transcript, a file with those of many videos (HowTo100M's "
    "JSON, or a table with a column video_id), or a folder of videos with subtitles in them"
)
_NOT_SAID = (".info.json", ".live_chat.json")  # what yt-dlp writes beside a video, too


class TranscriptSource:
    """Transcripts in a folder or a file, and how they were matched to videos.

    A file is of a video if its path in the folder, less its suffix, is the video's id, or the id
    less its suffix; a language may follow, as in `talk.en.vtt`. Else its name alone may be the
    last part of the id, with or without its suffix; or have the id in brackets, as in
    `A talk [id].en.vtt`. Of several files in one folder those without a language come first, then
    those of a form that has times of words; one that cannot be read makes way for the next. A
    video file is looked into for subtitles where there is no transcript. Hidden files, and
    yt-dlp's `.info.json`, are passed over. In a file of many videos, a name that may be of two
    different videos is of none.

    Args:
        where: A folder, searched whole; the transcript of one video; or a file with those of many
            (HowTo100M's JSON; CSV, TSV or Parquet with a column `video_id`).
        mapping: A table (.csv, .tsv, .jsonl) with columns `video_id` and `transcript`: a path
            from the folder `where`, or an id in the file `where`. It decides for the videos in
            it; the others are matched by name.

    Attributes:
        missing: Ids of videos without a transcript.
        unused: Paths, or ids in a file of many videos, of transcripts that are of no video.
        unreadable: Files that could not be read, or not to the end, and why.
        dropped: How many cues of the transcripts that were found could not be used.
    """

    def __init__(self, where: str, *, mapping: str | None = None) -> None:
        self.where = where
        self.mapping = mapping
        self._start()

    def _start(self) -> None:
        self.missing: list[str] = []
        self.unused: list[str] = []
        self.unreadable: list[tuple[str, str]] = []
        self.dropped = 0

    def find(self, videos: Sequence[str]) -> Iterator[tuple[str, Transcript]]:
        """The videos that have a transcript, each once, with it.

        In the order of `videos` from a folder, in that of the file from a file of many. The
        attributes are right once this is through.

        Args:
            videos: The ids to look for.

        Raises:
            InputError: If there is nothing at `where`, nothing in the one file there can be read,
                the mapping cannot be read, or, before anything is given, if two files may be of
                one video.
        """
        self._start()
        videos = list(dict.fromkeys(videos))
        mapping = {} if self.mapping is None else read_mapping(self.mapping)
        is_folder = Path(self.where).is_dir()
        if not is_folder and not Path(self.where).exists():
            raise InputError(f"{self.where}: no such file or folder", hint=_KINDS)
        if is_folder:
            found = self._matched(videos, mapping, self._walk(self.where))
        elif self.where.lower().endswith(".parquet") or is_of_many_videos(self.where):
            found = self._in_file(videos, mapping)
        else:
            found = self._alone(videos, mapping)
        done: set[str] = set()
        for video_id, transcript in found:
            done.add(video_id)
            self.dropped += transcript.dropped
            yield video_id, transcript
        self.missing = [video_id for video_id in videos if video_id not in done]
        if self.unreadable and not done and not is_folder:
            raise InputError(": ".join(self.unreadable[0]), hint=_KINDS)

    def _alone(
        self, videos: Sequence[str], mapping: Mapping[str, str]
    ) -> Iterator[tuple[str, Transcript]]:
        """One transcript: of the video with its name, or of the only one."""
        if len(videos) == 1 and not mapping:
            mapping = {videos[0]: Path(self.where).name}
        return self._matched(videos, mapping, iter([Path(self.where).name]))

    def _matched(
        self, videos: Sequence[str], mapping: Mapping[str, str], paths: Iterator[str]
    ) -> Iterator[tuple[str, Transcript]]:
        root = self.where if Path(self.where).is_dir() else str(Path(self.where).parent)
        mapped = {
            video_id: os.path.normpath(os.path.join(root, mapping[video_id]))  # noqa: PTH118
            for video_id in videos
            if video_id in mapping
        }
        by_name = [video_id for video_id in videos if video_id not in mapped]
        names, taken = VideoNames(by_name), set(mapped.values())
        candidates: dict[str, list[Candidate]] = {}
        for path in paths:
            if os.path.normpath(os.path.join(root, path)) in taken:  # noqa: PTH118
                continue
            fits = names.fit(valid_id(os.path.splitext(path)[0]))  # noqa: PTH122
            for position, (how, distance) in fits.items():
                candidate = Candidate.of(path, how, distance)
                candidates.setdefault(by_name[position], []).append(candidate)
            if not fits:
                self._leave(path)
        chosen = choose(candidates)
        kept = {path for paths in chosen.values() for path in paths}
        for path in dict.fromkeys(c.path for found in candidates.values() for c in found):
            if path not in kept:
                self._leave(path)
        for video_id in videos:
            own = [mapped[video_id]] if video_id in mapped else chosen.get(video_id, [])
            transcript = self._first_readable(video_id, root, own)
            if transcript is not None:
                yield video_id, transcript

    def _first_readable(self, video_id: str, root: str, paths: Sequence[str]) -> Transcript | None:
        for name in paths:
            path = os.path.join(root, name)  # noqa: PTH118
            try:
                in_video = has_video_suffix(path)
                found = _subtitles(path, video_id) if in_video else read_transcript(path)
            except InputError as error:
                self._note(path, error)
            else:
                if found is not None:
                    return found
        return None

    def _in_file(
        self, videos: Sequence[str], mapping: Mapping[str, str]
    ) -> Iterator[tuple[str, Transcript]]:
        lookup = _Lookup(videos, mapping)
        suffix = Path(self.where).suffix.lower()
        read = {".json": iter_howto100m, ".parquet": iter_parquet}.get(suffix, iter_table)
        done: set[str] = set()
        try:
            for name, transcript in read(self.where, lookup):
                for video_id in lookup.videos(name):
                    if video_id not in done:
                        done.add(video_id)
                        yield video_id, transcript
        except InputError as error:
            self._note(self.where, error)
        self.unused = list(lookup.others)

    def _walk(self, root: str) -> Iterator[str]:
        """Paths of files that may be, or hold, transcripts, from `root`; links are followed."""
        waiting, seen = [""], set()
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(os.path.join(root, folder))  # noqa: PTH116, PTH118
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(os.path.join(root, folder)) as scanned:  # noqa: PTH118
                    entries = [(entry.name, entry.is_dir()) for entry in scanned]
            except OSError as error:
                self.unreadable.append((valid_id(folder or root), error.strerror or str(error)))
                continue
            for name, is_folder in sorted(entries):
                path = f"{folder}/{name}" if folder else name
                if name.startswith(".") or name.lower().endswith(_NOT_SAID):
                    continue
                if is_folder:
                    waiting.append(path)
                elif name.lower().endswith(TRANSCRIPT_SUFFIXES) or has_video_suffix(name):
                    yield path

    def _leave(self, path: str) -> None:
        if not has_video_suffix(path):
            self.unused.append(valid_id(path))

    def _note(self, path: str, error: InputError) -> None:
        why = valid_id(str(error)).removeprefix(f"{valid_id(path)}: ")
        self.unreadable.append((valid_id(path), why))


class _Lookup:
    """The names wanted from a file of many videos; remembers those it has for no video."""

    def __init__(self, videos: Sequence[str], mapping: Mapping[str, str]) -> None:
        self._mapped: dict[str, list[str]] = {}
        for video_id in videos:
            if video_id in mapping:
                self._mapped.setdefault(mapping[video_id], []).append(video_id)
        self._by_name = [video_id for video_id in videos if video_id not in mapping]
        self._names = VideoNames(self._by_name)
        self.others: dict[str, None] = {}

    def videos(self, name: str) -> list[str]:
        """The videos that the transcript with this name is of; none where there is no telling."""
        if name in self._mapped:
            return self._mapped[name]
        found = [self._by_name[position] for position in self._names.called(name)]
        return found if len(set(map(stem_of, found))) == 1 else []

    def __contains__(self, name: object) -> bool:
        is_wanted = isinstance(name, str) and bool(self.videos(name))
        if not is_wanted:
            self.others[valid_id(str(name))] = None
        return is_wanted


def _subtitles(path: str, video_id: str) -> Transcript | None:
    """The first subtitles with text inside a video; None if it has none."""
    from pseudolabel.videos.opening import open_container
    from pseudolabel.videos.signals import VideoSkippedError
    from pseudolabel.videos.spoken import find_transcript

    try:
        with open_container(path) as (container, _, _):
            # As a URL: what lies beside it has been looked at.
            video = Video(video_id, Path(path).absolute().as_uri())
            steps = find_transcript(video, container, folder=None)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    return Transcript(end.value, dropped=0)
    except VideoSkippedError as error:
        if error.reason is SkipReason.NO_TRANSCRIPT:
            return None
        raise InputError(f"{path}: {error.detail}", hint=_KINDS) from None
