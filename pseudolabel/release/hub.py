"""A dataset repository on the Hugging Face Hub: asked, committed to and tagged, with patience.

Everything that `huggingface_hub` raises is told apart here, by type and status. Its messages are
not passed on: they hold addresses, and addresses of uploads are signed.
"""

from __future__ import annotations

import hashlib
import random
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pseudolabel.errors import HubError, OptionError, without_addresses

Answer = TypeVar("Answer")

TRIES = 6
LONGEST_WAIT_S = 300.0
PASSING = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})  # statuses worth another try
_REPO = re.compile(r"([\w.-]+/[\w.-]+)(?:@(.+))?")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub lists it."""

    size: int
    blob_id: str  # git's own checksum; of the pointer, where the file is in large storage
    sha256: str | None  # where the file is in large storage

    def equals(self, path: Path, sha256: str) -> bool:
        """Whether it has the bytes of a local file with this SHA-256."""
        if self.sha256 is not None:
            return self.sha256 == sha256
        return self.size == path.stat().st_size and self.blob_id == _blob_id(path.read_bytes())


class PassingError(Exception):
    """The Hub could not do it now; asking again may help.

    Args:
        message: What it said.
        wait_s: How long it asked to wait, if it did.
    """

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def parse_repo(text: str) -> tuple[str, str | None]:
    """A repository's name and revision, from `USER/REPO` or `USER/REPO@REVISION`.

    Raises:
        OptionError: If it cannot be one.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    match = _REPO.fullmatch(text)
    hint = "USER/REPO: letters, digits, - _ and ., at most 96 of them"
    if match is None:
        raise OptionError(f"{text!r} is not the name of a dataset on the Hub", hint=hint)
    try:
        validate_repo_id(match[1])
    except HFValidationError:
        raise OptionError(f"{match[1]!r} is not a name that the Hub allows", hint=hint) from None
    return match[1], match[2]


def local_release(text: str) -> Path:
    """The folder of a release: itself, or `USER/REPO[@v1.0.0]` downloaded into the Hub's cache.

    Raises:
        OptionError: If it is neither a folder nor a repository's name.
        HubError: If it cannot be had.
    """
    with suppress(OSError):  # a name that is too long for one
        if Path(text).is_dir():
            return Path(text)
    if not _REPO.fullmatch(text):
        raise OptionError(
            f"{text}: no such folder", hint="a release folder, or USER/REPO[@v1.0.0] on the Hub"
        )
    name, revision = parse_repo(text)
    try:
        return HubRepo(name).download(revision)
    except HubError as error:
        raise HubError(f"{text}: no such folder; on the Hub: {error}", hint=error.hint) from error


class HubRepo:
    """A dataset repository. What may pass is tried again, with growing waits.

    Args:
        name: `USER/REPO`.
        wait: Waits for so many seconds.

    Raises:
        HubError: From every method, if the Hub cannot be reached or refuses.
    """

    def __init__(self, name: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        from huggingface_hub import HfApi

        self.name = name
        self._api = HfApi(library_name="pseudolabel")
        self._wait = wait

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self._api.endpoint}/datasets/{self.name}"

    def require_token(self) -> None:
        """Refuse to go on without one; it comes from the places where the Hub's tools keep it."""
        from huggingface_hub import get_token

        if get_token() is None:
            raise HubError(
                "no token for the Hub", hint="`hf auth login`, or set HF_TOKEN, with write access"
            )
        self.patiently(lambda: self.ask(self._api.whoami))

    def head(self) -> str | None:
        """The commit that `main` points at; None: there is no such repository."""
        from huggingface_hub.errors import RepositoryNotFoundError

        def look() -> str | None:
            try:
                return str(self._api.dataset_info(self.name).sha)
            except RepositoryNotFoundError as error:
                if error.response.status_code == 404:
                    return None
                raise

        return self.patiently(lambda: self.ask(look))

    def commit_of(self, revision: str) -> str | None:
        """The commit of a branch or tag; None: there is no such one."""
        from huggingface_hub.errors import RevisionNotFoundError

        def look() -> str | None:
            try:
                return str(self._api.dataset_info(self.name, revision=revision).sha)
            except RevisionNotFoundError:
                return None

        return self.patiently(lambda: self.ask(look))

    def files(self, revision: str) -> dict[str, RemoteFile]:
        """All files of a commit, by path."""
        from huggingface_hub.hf_api import RepoFile

        def look() -> dict[str, RemoteFile]:
            tree = self._api.list_repo_tree(
                self.name, repo_type="dataset", revision=revision, recursive=True
            )
            return {
                entry.path: RemoteFile(
                    entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None
                )
                for entry in tree
                if isinstance(entry, RepoFile)
            }

        return self.patiently(lambda: self.ask(look))

    def commits_titled(self, title: str) -> list[str]:
        """Commits of `main` with this title, the newest first."""

        def look() -> list[str]:
            log = self._api.list_repo_commits(self.name, repo_type="dataset")
            return [commit.commit_id for commit in log if commit.title == title]

        return self.patiently(lambda: self.ask(look))

    def open_pull_requests(self, title: str) -> list[tuple[str, str]]:
        """Open pull requests with this title: the revision of each, and its address."""

        def look() -> list[tuple[str, str]]:
            found = self._api.get_repo_discussions(
                self.name,
                repo_type="dataset",
                discussion_type="pull_request",
                discussion_status="open",
            )
            return [(f"refs/pr/{pull.num}", pull.url) for pull in found if pull.title == title]

        return self.patiently(lambda: self.ask(look))

    def read(self, path: str, revision: str) -> bytes:
        """The bytes of one file, as the Hub gives them now; no cache is asked."""

        def fetch() -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                found = self._api.hf_hub_download(
                    self.name, path, repo_type="dataset", revision=revision, local_dir=folder
                )
                return Path(found).read_bytes()

        return self.patiently(lambda: self.ask(fetch))

    def download(self, revision: str | None) -> Path:
        """All files of a revision, in the Hub's cache.

        The revision is made a commit first: asked for a tag while the Hub is busy, the client
        would take whatever it has in its cache.
        """
        commit = self.commit_of(revision or "main")
        if commit is None:
            raise HubError(f"{self.name}@{revision}: no such revision", hint=f"see {self.url}")
        return Path(
            self.patiently(
                lambda: self.ask(
                    lambda: self._api.snapshot_download(
                        self.name, repo_type="dataset", revision=commit
                    )
                )
            )
        )

    def create(self, *, private: bool) -> None:
        """Make the repository, unless it is there."""
        self.patiently(
            lambda: self.ask(
                lambda: self._api.create_repo(
                    self.name, repo_type="dataset", private=private, exist_ok=True
                )
            )
        )

    def commit(
        self,
        adds: Mapping[str, Path],
        deletes: Sequence[str],
        message: str,
        *,
        parent: str,
        branch: str = "main",
        create_pr: bool = False,
    ) -> tuple[str, str | None]:
        """Change files in one commit, if `parent` is still the branch's head; tried once.

        Returns:
            The commit, and the address of the pull request, if one was asked for.

        Raises:
            PassingError: If the head has moved, or the Hub could not do it now.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(path, str(local)) for path, local in adds.items()
        ]
        operations += [CommitOperationDelete(path) for path in deletes]
        info = self.ask(
            lambda: self._api.create_commit(
                self.name,
                operations,
                commit_message=message,
                repo_type="dataset",
                revision=branch,
                parent_commit=parent,
                create_pr=create_pr,
            )
        )
        return info.oid, info.pr_url

    def create_branch(self, branch: str, at: str) -> None:
        """Make a branch, unless it is there."""
        self.patiently(
            lambda: self.ask(
                lambda: self._api.create_branch(
                    self.name, branch=branch, revision=at, repo_type="dataset", exist_ok=True
                )
            )
        )

    def delete_branch(self, branch: str) -> None:
        """Remove a branch, unless it is gone."""

        def remove() -> None:
            if self.commit_of(branch) is not None:  # else done, where the answer was lost
                self.ask(
                    lambda: self._api.delete_branch(self.name, branch=branch, repo_type="dataset")
                )

        self.patiently(remove)

    def create_tag(self, tag: str, at: str, message: str) -> None:
        """Tag a commit; tried once.

        Raises:
            PassingError: If the tag exists, or the Hub could not do it now.
        """
        self.ask(
            lambda: self._api.create_tag(
                self.name, tag=tag, revision=at, tag_message=message, repo_type="dataset"
            )
        )

    def patiently(self, do: Callable[[], Answer]) -> Answer:
        """Do something, and do it again where it failed for a reason that may pass."""
        for tried in range(TRIES):
            try:
                return do()
            except PassingError as error:
                if tried == TRIES - 1:
                    raise HubError(
                        f"{self.name}: {error}, {TRIES} times",
                        hint="run the same command again later; it goes on from there",
                    ) from error
                backoff_s = random.uniform(0.5, 1.0) * min(60.0, 2.0**tried)
                asked_s = error.wait_s if error.wait_s is not None else backoff_s
                self._wait(min(asked_s, LONGEST_WAIT_S))
        raise AssertionError("the last try returns or raises")

    def ask(self, do: Callable[[], Answer]) -> Answer:
        """Do something once, and tell apart what went wrong.

        Raises:
            PassingError: If it may pass.
            HubError: If it will not.
        """
        import httpx2
        from huggingface_hub import errors

        try:
            return do()
        except errors.OfflineModeIsEnabled:
            raise HubError(
                "the Hub is switched off by HF_HUB_OFFLINE", hint="unset HF_HUB_OFFLINE"
            ) from None
        except errors.HfHubHTTPError as error:
            raise self._refusal(error) from None
        except errors.LocalEntryNotFoundError:
            raise PassingError("the Hub cannot be reached, and it is not in the cache") from None
        except (httpx2.TransportError, ConnectionError, TimeoutError) as error:
            raise PassingError(f"the connection failed ({type(error).__name__})") from None
        except RuntimeError as error:  # how an upload that failed for good is told
            cause = error.__cause__
            if isinstance(cause, errors.HfHubHTTPError):
                raise self._refusal(cause) from None
            if isinstance(cause, httpx2.TransportError):
                raise PassingError(f"an upload failed ({type(cause).__name__})") from None
            raise

    def _refusal(self, error: Exception) -> Exception:
        from huggingface_hub import errors

        assert isinstance(error, errors.HfHubHTTPError)
        status = error.response.status_code
        if status in PASSING:
            return PassingError(f"the Hub answered {status}", _asked_wait_s(error.response.headers))
        if isinstance(error, errors.RevisionNotFoundError):
            return HubError(f"{self.name}: no such revision", hint=f"see the tags of {self.url}")
        if status == 401:
            return HubError(
                f"{self.name}: the Hub does not accept the token, or there is no such repository",
                hint="check the name; `hf auth login`, or set HF_TOKEN",
            )
        if status == 403:
            return HubError(
                f"{self.name}: your token may not do this",
                hint="a token with write access to this repository, or one of yours",
            )
        if status == 404:
            return HubError(
                f"{self.name}: no such repository, or a private one", hint="check the name"
            )
        said = without_addresses(error.server_message or "")[:200]
        return HubError(f"{self.name}: the Hub answered {status} {said}".rstrip())


def _asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """How long a response asks to wait: `Retry-After`, or the reset of the rate limit."""
    if headers.get("Retry-After", "").isdigit():
        return float(headers["Retry-After"])
    reset = re.search(r"\bt=(\d+)", headers.get("RateLimit", ""))
    return float(reset[1]) if reset else None


def _blob_id(data: bytes) -> str:
    """Git's checksum of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
