"""The Hugging Face Hub on the loopback, for the real clients, with faults on demand.

`python tests/loopback_hub.py --port 0` prints its address and serves until interrupted. Of the
protocol it leaves out Xet (clients need HF_HUB_DISABLE_XET=1), gating, and the redirects to a CDN.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from loopback_routes import HUB_ROUTES, REPO_ROUTES, Account, Ask
from loopback_store import HubError, Repository
from loopback_wire import FaultyServer, Reply, Request

if TYPE_CHECKING:
    import pytest

# For `pytest.mark.filterwarnings`, where warnings are errors: huggingface_hub 2.4 gives httpx2 the
# file of an LFS upload in a way that httpx2 frowns on.
UPLOAD_WARNING = "ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"


@dataclass(slots=True)
class Limits:
    """Sizes at which the Hub behaves differently; a test makes them small.

    Attributes:
        page_entries: Entries of a tree, or commits of a log, in one page.
        regular_bytes: Larger files go to LFS.
        part_bytes: LFS contents larger than this go up in parts of this size; None: in one piece.
        commit_operations, commit_bytes: More in one commit is refused with 413.
    """

    page_entries: int = 1000
    regular_bytes: int = 10 * 1024 * 1024
    part_bytes: int | None = None
    commit_operations: int = 25_000
    commit_bytes: int = 1_000_000_000


class LoopbackHub(FaultyServer):
    """A Hub; see `FaultyServer` for `url`, `calls`, faults and hooks.

    Attributes:
        user: The owner of `token`, which may write, and of `read_token`, which may not.
        tokens: All tokens it knows; a test may add those of other people.
        limits: Sizes that a test may change at any time.
        card_errors: What a check of a card's metadata finds wrong.
    """

    def __init__(self, user: str = "tester", *, port: int = 0) -> None:
        super().__init__(port)
        self.user, self.token, self.read_token = user, "hf_loopback_write", "hf_loopback_read"
        self.tokens = {
            self.token: Account(user, "write"),
            self.read_token: Account(user, "read"),
        }
        self.limits = Limits()
        self.card_errors: list[str] = []
        self._repos: dict[tuple[str, str], Repository] = {}

    def repo(self, name: str, kind: str = "datasets") -> Repository:
        """A repository, to look into or to commit to; KeyError where there is none."""
        return self._repos[kind, name]

    def has(self, name: str, kind: str = "datasets") -> bool:
        """Whether there is such a repository, visible to a caller or not."""
        return (kind, name) in self._repos

    def create(self, name: str, kind: str = "datasets", *, private: bool = False) -> Repository:
        """Make a repository; it starts with one commit, as on the Hub."""
        self._repos[kind, name] = Repository(kind, name, private, self.folder)
        return self._repos[kind, name]

    def answer(self, request: Request) -> Reply:
        """Find the route of a request, check who asks, and answer."""
        try:
            return self._route(request)
        except HubError as error:
            headers = {"X-Error-Message": error.message}
            if error.code:
                headers["X-Error-Code"] = error.code
            return Reply.json({"error": error.message}, error.status, headers)

    def _route(self, request: Request) -> Reply:
        account = self._account(request)
        for method, pattern, answer in HUB_ROUTES:
            if request.method == method and re.fullmatch(pattern, request.path):
                return answer(self, request, account)
        for methods, pattern, route in REPO_ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and request.method in methods.split():
                names = {k: unquote(v) for k, v in found.groupdict().items() if v is not None}
                repo = self._visible(request, names, account)
                return route(self, Ask(request, repo, account, names))
        raise NotImplementedError(f"no route for {request.method} {request.path}")

    def _account(self, request: Request) -> Account | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        account = self.tokens.get(header.removeprefix("Bearer "))
        if account is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return account

    def _visible(
        self, request: Request, names: Mapping[str, str], account: Account | None
    ) -> Repository:
        repo = self._repos.get((names.get("kind", "models"), names["name"]))
        is_signed = request.path.startswith("/_lfs/")  # as addresses of a storage are: no token
        is_owner = repo is not None and account is not None and account.user == repo.owner
        if repo is None or (repo.is_private and not is_owner and not is_signed):
            # To somebody without a token the Hub sends a bare 401, by which clients know a
            # missing repository behind https only; behind http it takes the code.
            raise HubError(404 if account else 401, "Repository not found", "RepoNotFound")
        return repo


def client_environment(hub: LoopbackHub, home: Path, token: str | None = None) -> dict[str, str]:
    """Variables with which a process of its own talks to this hub; add them to `os.environ`.

    Args:
        hub: The hub.
        home: An empty folder for caches, so that no token of this machine's user is found.
        token: The token to use; None takes the one that may write, "" none at all.
    """
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_TOKEN": hub.token if token is None else token,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "NO_PROXY": "127.0.0.1",
    }


def use_hub(
    monkeypatch: pytest.MonkeyPatch, hub: LoopbackHub, home: Path, token: str | None = None
) -> None:
    """Let `huggingface_hub` and `datasets` talk to this hub in this process.

    They read the environment once, when imported; what they made of it is replaced here, and is
    read at each call. Arguments are those of `client_environment`.
    """
    from huggingface_hub import HfFileSystem, close_session, constants, hf_api

    for name, value in client_environment(hub, home, token).items():
        monkeypatch.setenv(name, value)
    for name, setting in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_ASSETS_CACHE": str(home / "assets"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "AGENT_HARNESSES_PATH": str(home / "agents.json"),
    }.items():
        monkeypatch.setattr(constants, name, setting)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)  # behind the functions of the module
    _use_hub_in_datasets(monkeypatch, hub, home)
    HfFileSystem.clear_instance_cache()
    close_session()  # its connections may lead to the hub of an earlier test


def _use_hub_in_datasets(monkeypatch: pytest.MonkeyPatch, hub: LoopbackHub, home: Path) -> None:
    from datasets import config

    for name, setting in {
        "HF_ENDPOINT": hub.url,
        "HUB_DATASETS_URL": hub.url + "/datasets/{repo_id}/resolve/{revision}/{path}",
        "HF_HUB_OFFLINE": False,
        "HF_DATASETS_OFFLINE": False,
        "HF_UPDATE_DOWNLOAD_COUNTS": False,
        "HF_DATASETS_CACHE": home / "datasets",
        "HF_MODULES_CACHE": home / "modules",
        "DOWNLOADED_DATASETS_PATH": home / "datasets" / "downloads",
        "EXTRACTED_DATASETS_PATH": home / "datasets" / "downloads" / "extracted",
    }.items():
        monkeypatch.setattr(config, name, setting)


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let `huggingface_hub` not wait before it tries again; the list fills with what it would."""
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    waits: list[float] = []
    clock = SimpleNamespace(sleep=waits.append)
    monkeypatch.setattr(_http, "time", clock)
    monkeypatch.setattr(file_download, "time", clock)
    return waits


def main() -> None:
    """Serve a hub from a process of its own."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    with LoopbackHub(port=parser.parse_args().port) as hub, contextlib.suppress(KeyboardInterrupt):
        print(hub.url, flush=True)
        hub.wait()


if __name__ == "__main__":
    main()
