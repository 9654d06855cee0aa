"""`push`: a release to the Hub, as one commit with one tag that never moves.

The order makes every interruption harmless: bytes go up first, where nobody sees them; then one
commit makes `main` the release; then the tag names that commit. Run again, a push looks at what
is there, and does what is missing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pseudolabel.errors import HubError, OptionError, ReleaseError
from pseudolabel.files import hash_file
from pseudolabel.release.hub import HubRepo, PassingError, RemoteFile, parse_repo
from pseudolabel.release.manifest import MANIFEST, Manifest, read_manifest, violations
from pseudolabel.release.validate import validate_folder
from pseudolabel.release.version import Version

FILES_A_COMMIT = 100  # what the Hub recommends; more go to a branch first
_OWN_FILES = {".gitattributes", "README.md"}  # what a repository may hold that is no release


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push would do."""

    repo: str
    url: str
    tag: str
    is_new_repo: bool
    send: tuple[str, ...]  # paths the Hub does not have as they are
    remove: tuple[str, ...]  # paths of the version before that this one lacks
    bytes: int  # of what is sent


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did."""

    plan: PushPlan
    commit: str | None  # None: a pull request, or nothing was sent
    pull_request: str | None = None
    was_there: bool = False  # the tag was there already, with just these files


def push(
    release: str,
    repo: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    dry_run: bool = False,
    on_plan: Callable[[PushPlan], None] | None = None,
    on_step: Callable[[str], None] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Pushed:
    """Push a release to the Hub, tag it, and compare what the tag holds with what was sent.

    `main` changes by one commit, and only if nobody else has committed meanwhile; then the tag
    `v1.0.0` is set on exactly that commit. Whatever interrupts it, the same call finishes, or
    finds that nothing is left to do. Tokens come from the Hub's own places.

    Args:
        release: The release folder; it is validated before anything is sent.
        repo: `USER/REPO`; made if it is not there.
        private: Make it private, where it is made.
        create_pr: Open a pull request, and tag nothing; when it is merged, push again to tag.
        dry_run: Say what would be sent, and send nothing.
        on_plan: Called with what will be written where, before anything is.
        on_step: Called with a line before each step.
        wait: Waits for so many seconds, before another try.

    Raises:
        OptionError: If `repo` cannot be a name on the Hub, or names a revision.
        ReleaseError: If the release is not valid, or this version is on the Hub with other files.
        HubError: If the Hub cannot be reached or refuses, or holds something else than a release.
    """
    name, revision = parse_repo(repo)
    if revision is not None:
        raise OptionError(
            f"{repo}: a release goes to main, and is tagged with its own version",
            hint=f"use {name}",
        )
    say = on_step or (lambda _line: None)
    say(f"checking {release}")
    pushing = _Pushing(Path(release), HubRepo(name, wait=wait), say)
    if not dry_run:
        pushing.repo.require_token()
    if pushing.is_released():
        say(f"{pushing.tag} is there already, with just these files")
        return Pushed(pushing.plan(), None, was_there=True)
    plan = pushing.plan()
    if on_plan is not None:
        on_plan(plan)
    if dry_run:
        return Pushed(plan, None)
    pushing.repo.create(private=private)
    if create_pr:
        address = pushing.repo.patiently(pushing.open_pull_request)
        return Pushed(plan, None, pull_request=address)
    commit = pushing.repo.patiently(pushing.commit)
    pushing.remove_branch()
    pushing.repo.patiently(lambda: pushing.set_tag(commit))
    pushing.compare(commit)
    return Pushed(plan, commit)


class _Pushing:
    """One release on its way to one repository."""

    def __init__(self, release: Path, repo: HubRepo, say: Callable[[str], None]) -> None:
        problems = validate_folder(release)
        if problems:
            raise ReleaseError(
                f"{release}: not sent, {len(problems)} problems: {problems[0]}",
                hint=f"pseudolabel validate {release} lists them",
            )
        self.repo = repo
        self._release = release
        self._say = say
        self._manifest: Manifest = read_manifest(release)
        self.tag = Version.parse(self._manifest.version).tag
        self._sha256 = {file.path: file.sha256 for file in self._manifest.files}
        self._sha256[MANIFEST] = hash_file(release / MANIFEST)

    def is_released(self) -> bool:
        """Whether the tag is there, with just these files.

        Raises:
            ReleaseError: If it is there with others.
        """
        tagged = self.repo.commit_of(self.tag) if self.repo.head() else None
        if tagged is None:
            return False
        if self._differing(self.repo.files(tagged)):
            raise ReleaseError(
                f"{self.repo.name}: {self.tag} is released, with other files; a version never "
                "changes",
                hint="export with a higher --version",
            )
        return True

    def plan(self) -> PushPlan:
        """What is to be sent, against what `main` holds now."""
        head = self.repo.head()
        send: list[str] = []
        remove: list[str] = []
        if head is None or self._committed_before() is None:
            send, remove = self._changes(head, self.repo.files(head) if head else {})
        return PushPlan(
            repo=self.repo.name,
            url=self.repo.url,
            tag=self.tag,
            is_new_repo=head is None,
            send=tuple(send),
            remove=tuple(remove),
            bytes=sum((self._release / path).stat().st_size for path in send),
        )

    def commit(self) -> str:
        """Make `main` the release, by one commit; gives the commit.

        Every try starts from what is there now, so that one whose answer was lost is found done.
        """
        earlier = self._committed_before()
        if earlier is not None:
            return earlier
        head, send, remove = self._difference()
        if not send and not remove:
            return head
        if len(send) > FILES_A_COMMIT:
            self._send_to_branch(head, send)
        self._say(f"committing {len(send)} files to main")
        files = {path: self._release / path for path in send}
        commit, _ = self.repo.commit(files, remove, self._message, parent=head)
        return commit

    def remove_branch(self) -> None:
        """Remove the branch that many files went to first, also one of a push that was stopped."""
        if len(self._sha256) > FILES_A_COMMIT:
            self.repo.delete_branch(self._branch)

    def open_pull_request(self) -> str | None:
        """One commit, in a pull request instead of on `main`; gives its address.

        One that is open already, with just these files, is that of a try before.
        """
        head, send, remove = self._difference()
        if not send and not remove:
            raise HubError(
                f"{self.repo.name}: main holds all of it already", hint="push without --create-pr"
            )
        for revision, address in self.repo.open_pull_requests(self._message):
            if not self._differing(self.repo.files(revision)):
                return address
        self._say(f"opening a pull request with {len(send)} files")
        files = {path: self._release / path for path in send}
        _, opened = self.repo.commit(files, remove, self._message, parent=head, create_pr=True)
        return opened

    def set_tag(self, commit: str) -> None:
        """Tag the commit; a tag that is there must name it."""
        there = self.repo.commit_of(self.tag)
        if there is None:
            self._say(f"tagging {commit[:10]} as {self.tag}")
            self.repo.create_tag(self.tag, commit, self._message)
        elif there != commit:
            raise ReleaseError(
                f"{self.repo.name}: {self.tag} names {there[:10]}, not {commit[:10]}",
                hint="somebody else released it meanwhile; export with a higher --version",
            )

    def compare(self, commit: str) -> None:
        """Load the tag back: it names the commit, and that holds what was sent."""
        self._say(f"comparing the checksums of {self.tag}")
        if self.repo.commit_of(self.tag) != commit:
            raise HubError(f"{self.repo.name}: {self.tag} does not name {commit[:10]}")
        differing = self._differing(self.repo.files(commit))
        loaded = self.repo.read(MANIFEST, self.tag)
        if differing or loaded != (self._release / MANIFEST).read_bytes():
            raise HubError(
                f"{self.repo.name}: {self.tag} does not hold what was sent: "
                f"{(differing or [MANIFEST])[0]} differs",
                hint="do not use this version; export and push a higher one",
            )

    @property
    def _message(self) -> str:
        return f"Release {self.tag}"

    @property
    def _branch(self) -> str:
        return f"release-{self.tag}"

    def _committed_before(self) -> str | None:
        """The commit that made `main` this release, where its tag was never set."""
        for commit in self.repo.commits_titled(self._message):
            if not self._differing(self.repo.files(commit)):
                return commit
        return None

    def _difference(self) -> tuple[str, list[str], list[str]]:
        head = self.repo.head()
        if head is None:
            raise PassingError("the repository is not there yet")
        return head, *self._changes(head, self.repo.files(head))

    def _changes(
        self, head: str | None, there: dict[str, RemoteFile]
    ) -> tuple[list[str], list[str]]:
        """Paths to send, and paths of the version before to remove; other files are left alone.

        Raises:
            HubError: If the repository holds something that is no release.
            ReleaseError: If it holds a newer version.
        """
        before = self._manifest_at(head) if head and MANIFEST in there else None
        if before is None:
            foreign = sorted(set(there) - _OWN_FILES)
            if foreign:
                raise HubError(
                    f"{self.repo.name}: holds something that is no release, such as {foreign[0]!r}",
                    hint="choose another repository",
                )
            return self._differing(there), []
        if Version.parse(before["version"]) > Version.parse(self._manifest.version):
            raise ReleaseError(
                f"{self.repo.name}: main holds {before['version']}, which is newer than "
                f"{self._manifest.version}",
                hint="export with a higher --version",
            )
        listed = {str(file["path"]) for file in before["files"]}
        remove = sorted((listed & set(there)) - set(self._sha256))
        return self._differing(there), remove

    def _manifest_at(self, commit: str) -> dict[str, Any] | None:
        """The manifest of the release that a commit holds; None: it is no release's."""
        try:
            data: dict[str, Any] = json.loads(self.repo.read(MANIFEST, commit))
        except ValueError:
            return None
        return None if violations(data) else data

    def _differing(self, there: dict[str, RemoteFile]) -> list[str]:
        """Paths of the release that the Hub lacks, or has otherwise."""
        return sorted(
            path
            for path, sha256 in self._sha256.items()
            if path not in there or not there[path].equals(self._release / path, sha256)
        )

    def _send_to_branch(self, head: str, send: Sequence[str]) -> None:
        """Commit the files to a branch, some at a time; what is there from a try before stays.

        The commit to `main` then only names what the Hub has.
        """
        self.repo.create_branch(self._branch, head)
        at = self.repo.commit_of(self._branch)
        lacking = set(self._differing(self.repo.files(self._branch)))
        left = [path for path in send if path in lacking]
        for some in _pieces(left, FILES_A_COMMIT):
            self._say(f"sending {len(some)} of {len(left)} files to the branch {self._branch}")
            files = {path: self._release / path for path in some}
            assert at is not None, "the branch was made above"
            at, _ = self.repo.commit(
                files, [], f"{self._message}: files", parent=at, branch=self._branch
            )


def _pieces(paths: Sequence[str], count: int) -> Iterator[Sequence[str]]:
    return (paths[start : start + count] for start in range(0, len(paths), count))
