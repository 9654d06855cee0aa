"""Repositories as the Hub keeps them: contents, commits, branches, tags, pull requests. No HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_LARGE_SUFFIXES = (".parquet", ".arrow", ".mp4", ".tar", ".zip", ".gz", ".bin", ".safetensors")
_ATTRIBUTES = "".join(
    f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LARGE_SUFFIXES
)


class HubError(Exception):
    """An answer that is not a success: a status, words, and the Hub's code for some of them."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def is_large(path: str, size: int, sample: bytes, regular_bytes: int) -> bool:
    """Whether a file is one for LFS: by its name, its size, or because it is not text."""
    return path.endswith(_LARGE_SUFFIXES) or size > regular_bytes or b"\0" in sample


@dataclass(frozen=True, slots=True)
class Blob:
    """A content, on the disk; `git_oid` is that of the pointer where the content is in LFS."""

    path: Path
    size: int
    sha256: str
    git_oid: str
    is_lfs: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.git_oid

    def entry(self, path: str) -> dict[str, Any]:
        """This file as trees list it."""
        entry = {"type": "file", "path": path, "oid": self.git_oid, "size": self.size}
        return entry | ({"lfs": self.pointer()} if self.is_lfs else {})

    def pointer(self) -> dict[str, Any]:
        return {"oid": self.sha256, "sha256": self.sha256, "size": self.size, "pointerSize": 134}


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: the whole tree, and how it came about."""

    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    tree: Mapping[str, Blob]

    def entry(self) -> dict[str, Any]:
        """This commit as logs list it."""
        said = {"id": self.oid, "title": self.title, "message": self.message, "date": self.date}
        return {**said, "authors": [{"user": self.author}]}


@dataclass(slots=True)
class PullRequest:
    """A pull request; its commits are the branch `refs/pr/NUMBER`."""

    number: int
    title: str
    author: str
    base: str
    head: str
    date: str
    status: str = "open"
    merged_as: str | None = None

    def entry(self) -> dict[str, Any]:
        """This pull request as lists of discussions have it, but for its repository."""
        said = {"num": self.number, "title": self.title, "status": self.status}
        made = {"author": {"name": self.author}, "createdAt": self.date}
        return {**said, **made, "isPullRequest": True}


@dataclass
class Repository:
    """A repository; tests read it, and may commit to it behind the back of a client.

    Attributes:
        branches, tags: Names and the commits they stand for.
        tag_messages: What was said with a tag.
        pulls: Pull requests by number.
        lfs: SHA-256 of what was uploaded for LFS, committed or not.
    """

    kind: str
    name: str
    is_private: bool
    folder: Path
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    tag_messages: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    lfs: set[str] = field(default_factory=set)
    commits: dict[str, Commit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write({".gitattributes": _ATTRIBUTES.encode()}, title="initial commit")

    @property
    def owner(self) -> str:
        return self.name.split("/")[0]

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """All files of a branch, tag or commit."""
        tree = self.commit_of(revision).tree
        return {path: blob.path.read_bytes() for path, blob in sorted(tree.items())}

    def log(self, revision: str = "main") -> list[Commit]:
        """The commits of a branch, tag or commit, the newest first."""
        commits = [self.commit_of(revision)]
        while commits[-1].parent:
            commits.append(self.commits[commits[-1].parent])
        return commits

    def write(
        self, files: Mapping[str, bytes | None], *, branch: str = "main", title: str = "a change"
    ) -> str:
        """Commit files, as somebody else would; None deletes. Returns the commit."""
        head = self.branches.get(branch)
        tree = dict(self.commits[head].tree) if head else {}
        for path, data in files.items():
            if data is None:
                del tree[path]
            else:
                tree[path] = self.keep(data, path.endswith(_LARGE_SUFFIXES))
        return self.commit(branch, tree, title=title, author=self.owner)

    def commit_of(self, revision: str) -> Commit:
        """The commit that a branch, a tag, a reference, or a commit's (short) name stands for."""
        pull = re.fullmatch(r"refs/pr/(\d+)", revision)
        if pull and int(pull[1]) in self.pulls:
            return self.commits[self.pulls[int(pull[1])].head]
        for prefix, names in (("refs/heads/", self.branches), ("refs/tags/", self.tags)):
            if (name := revision.removeprefix(prefix)) in names:
                return self.commits[names[name]]
        if re.fullmatch("[0-9a-f]{7,40}", revision):
            for oid, commit in self.commits.items():
                if oid.startswith(revision):
                    return commit
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def keep(self, data: bytes, is_lfs: bool) -> Blob:
        """Store a content that is in memory."""
        sha256 = hashlib.sha256(data).hexdigest()
        (self.folder / sha256).write_bytes(data)
        if is_lfs:
            self.lfs.add(sha256)
            return self.large(sha256)
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return Blob(self.folder / sha256, len(data), sha256, oid, is_lfs=False)

    def upload(self, file: Path, sha256: str) -> None:
        """Take a file as a content for LFS."""
        file.rename(self.folder / sha256)
        self.lfs.add(sha256)

    def large(self, sha256: str) -> Blob:
        """A content that was uploaded for LFS."""
        if sha256 not in self.lfs:
            raise HubError(400, f"LFS pointer pointed to a file that does not exist: {sha256}")
        path = self.folder / sha256
        size = path.stat().st_size
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        oid = hashlib.sha1(f"blob {len(text)}\0{text}".encode()).hexdigest()
        return Blob(path, size, sha256, oid, is_lfs=True)

    def changed(
        self, tree: Mapping[str, Blob], operations: Iterable[Mapping[str, Any]]
    ) -> dict[str, Blob]:
        """A tree after the operations of a commit, in the words of the protocol."""
        changed = dict(tree)
        for operation in operations:
            value, path = operation["value"], operation["value"]["path"]
            match operation["key"]:
                case "file":
                    changed[path] = self.keep(base64.b64decode(value["content"]), is_lfs=False)
                case "lfsFile":
                    changed[path] = self.large(value["oid"])
                case "deletedFile":
                    if path not in changed:
                        raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
                    del changed[path]
                case "deletedFolder":
                    inside = [name for name in changed if name.startswith(path.rstrip("/") + "/")]
                    changed = {name: changed[name] for name in changed if name not in inside}
                case unknown:
                    raise HubError(400, f"unknown operation {unknown}")
        return changed

    def commit(
        self,
        branch: str,
        tree: Mapping[str, Blob],
        *,
        title: str,
        author: str,
        message: str = "",
        parent: str | None = None,
    ) -> str:
        """Put a commit on a branch or a pull request's reference; None as parent is its head."""
        parent = parent or self.branches.get(branch)
        contents = sorted((path, blob.sha256) for path, blob in tree.items())
        unique = json.dumps([len(self.commits), parent, title, contents])
        oid = hashlib.sha1(unique.encode()).hexdigest()
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self.commits[oid] = Commit(oid, parent, title, message, author, date, dict(tree))
        if branch.startswith("refs/pr/"):
            self.pulls[int(branch.removeprefix("refs/pr/"))].head = oid
        else:
            self.branches[branch] = oid
        return oid

    def open_pull(self, base: str, title: str, author: str, status: str = "open") -> PullRequest:
        """Open a pull request on `main` that starts at the commit `base`."""
        number, date = len(self.pulls) + 1, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self.pulls[number] = PullRequest(number, title, author, base, base, date, status)
        return self.pulls[number]

    def merge(self, pull: PullRequest, author: str) -> str:
        """Bring what a pull request changed to `main`, in one commit."""
        if pull.status != "open":
            raise HubError(400, f"This pull request is {pull.status}")
        base, head, main = (
            self.commits[pull.base],
            self.commits[pull.head],
            self.commit_of("main"),
        )
        tree = dict(main.tree)
        for path in base.tree.keys() | head.tree.keys():
            before, after = base.tree.get(path), head.tree.get(path)
            if before == after:
                continue
            if main.tree.get(path) != before:
                raise HubError(409, f"This pull request has conflicts: {path}")
            tree.pop(path, None)
            if after:
                tree[path] = after
        title = f"{pull.title} (#{pull.number})"
        pull.status, pull.merged_as = (
            "merged",
            self.commit("main", tree, title=title, author=author),
        )
        return pull.merged_as


def list_tree(tree: Mapping[str, Blob], folder: str, recursive: bool) -> Sequence[str]:
    """Paths of the files and folders below a folder, sorted; 404 where there is no such folder."""
    prefix = f"{folder}/" if folder else ""
    inside = [path.removeprefix(prefix) for path in tree if path.startswith(prefix)]
    if folder and not inside:
        raise HubError(404, f"{folder} does not exist", "EntryNotFound")
    names: set[str] = set()
    for path in inside:
        parts = path.split("/")
        depths = range(1, len(parts) + 1) if recursive else [1]
        names.update(prefix + "/".join(parts[:depth]) for depth in depths)
    return sorted(names)


def describe(tree: Mapping[str, Blob], path: str) -> dict[str, Any] | None:
    """A file or a folder as trees list them; None where neither is there."""
    if path in tree:
        return tree[path].entry(path)
    inside = sorted(name for name in tree if name.startswith(path.rstrip("/") + "/"))
    if not inside:
        return None
    oid = hashlib.sha1("\n".join(inside).encode()).hexdigest()
    return {"type": "directory", "path": path, "oid": oid, "size": 0}
