"""The faults of the loopback hub, as the real clients meet them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from loopback_hub import UPLOAD_WARNING, LoopbackHub, client_environment, use_hub
from loopback_wire import DisconnectError

pytestmark = pytest.mark.filterwarnings(UPLOAD_WARNING)
NAME = "tester/captions"
LARGE = bytes(range(256)) * 4096
Commit = Callable[..., CommitInfo]


@pytest.fixture
def hub(hub: LoopbackHub) -> LoopbackHub:
    """With one repository."""
    hub.create(NAME)
    return hub


@pytest.fixture
def commit(hub: LoopbackHub) -> Commit:
    def run(files: dict[str, bytes], parent: str | None = None) -> CommitInfo:
        return HfApi(endpoint=hub.url).create_commit(
            NAME,
            [CommitOperationAdd(path, data) for path, data in files.items()],
            commit_message="a release",
            repo_type="dataset",
            parent_commit=parent,
        )

    return run


def _tag(hub: LoopbackHub) -> None:
    HfApi(endpoint=hub.url).create_tag(NAME, tag="v1", repo_type="dataset")


def _has(hub: LoopbackHub, path: str) -> bool:
    return path in hub.repo(NAME).files()


@pytest.mark.parametrize("status", [409, 412, 429, 500, 503])
def test_a_commit_meets_a_status_and_has_no_effect(
    hub: LoopbackHub, commit: Commit, waits: list[float], status: int
) -> None:
    hub.fail("POST", "/commit/", status, headers={"Retry-After": "7"})
    with pytest.raises(HfHubHTTPError) as raised:
        commit({"a.txt": b"a"})
    assert raised.value.response.status_code == status
    assert raised.value.response.headers["Retry-After"] == "7"
    assert not waits
    assert not hub.faults
    assert not _has(hub, "a.txt")
    commit({"a.txt": b"a"})
    assert _has(hub, "a.txt")


@pytest.mark.parametrize(
    ("method", "fragment"),
    [("POST", "/preupload/"), ("POST", "/objects/batch"), ("PUT", "/_lfs/"), ("POST", "/verify")],
)
def test_the_client_itself_tries_an_upload_again(
    hub: LoopbackHub, commit: Commit, waits: list[float], method: str, fragment: str
) -> None:
    hub.fail(method, fragment, 429, headers={"Retry-After": "7"})
    hub.fail(method, fragment, 503)
    commit({"a.parquet": LARGE})
    assert len(waits) == 2
    assert waits[0] > 7
    assert hub.repo(NAME).files()["a.parquet"] == LARGE


def test_the_client_gives_up_on_an_upload(
    hub: LoopbackHub, commit: Commit, waits: list[float]
) -> None:
    hub.fail("PUT", "/_lfs/", 500, times=6)
    with pytest.raises(RuntimeError) as raised:
        commit({"a.parquet": LARGE})
    assert isinstance(raised.value.__cause__, HfHubHTTPError)
    assert not hub.faults
    assert not hub.repo(NAME).lfs


@pytest.mark.parametrize("at", [0.0, 0.5])
def test_an_upload_is_cut(hub: LoopbackHub, commit: Commit, waits: list[float], at: float) -> None:
    hub.cut("PUT", "/_lfs/", at=at)
    commit({"a.parquet": LARGE})
    assert len(waits) == 1
    assert hub.repo(NAME).files()["a.parquet"] == LARGE


def test_a_commit_is_cut_in_its_body(hub: LoopbackHub, commit: Commit) -> None:
    hub.cut("POST", "/commit/")
    with pytest.raises(httpx2.TransportError):
        commit({"a.txt": b"a" * 1_000_000})
    assert not _has(hub, "a.txt")


@pytest.mark.parametrize("status", [None, 504])
def test_a_commit_is_done_and_its_answer_lost(
    hub: LoopbackHub, commit: Commit, status: int | None
) -> None:
    hub.lose_answer("POST", "/commit/", status=status)
    with pytest.raises((httpx2.TransportError, HfHubHTTPError)):
        commit({"a.txt": b"a"})
    assert _has(hub, "a.txt")
    assert commit({"a.txt": b"a"}).oid == hub.repo(NAME).branches["main"]
    assert len(hub.repo(NAME).log()) == 2


def test_a_tag_is_set_and_its_answer_lost(hub: LoopbackHub) -> None:
    hub.lose_answer("POST", "/tag/")
    with pytest.raises(httpx2.TransportError):
        _tag(hub)
    assert "v1" in hub.repo(NAME).tags
    with pytest.raises(HfHubHTTPError) as raised:
        _tag(hub)
    assert raised.value.response.status_code == 409


def test_a_download_is_cut_and_goes_on(hub: LoopbackHub, waits: list[float]) -> None:
    hub.repo(NAME).write({"a.parquet": LARGE})
    hub.cut("GET", "/resolve/")
    path = hf_hub_download(NAME, "a.parquet", repo_type="dataset")
    assert Path(path).read_bytes() == LARGE
    assert len(waits) == 1


def test_bodies_trickle(hub: LoopbackHub, commit: Commit) -> None:
    hub.slow("PUT", "/_lfs/", seconds=0.05)
    hub.slow("GET", "/resolve/", seconds=0.05)
    commit({"a.parquet": LARGE})
    path = hf_hub_download(NAME, "a.parquet", repo_type="dataset")
    assert Path(path).read_bytes() == LARGE
    assert not hub.faults


def test_somebody_else_commits_in_between(hub: LoopbackHub, commit: Commit) -> None:
    def interfere(method: str, path: str) -> None:
        if "/commit/" in path:
            hub.on_call = None
            hub.repo(NAME).write({"theirs.txt": b"theirs"})

    hub.on_call = interfere
    head = hub.repo(NAME).branches["main"]
    with pytest.raises(HfHubHTTPError) as raised:
        commit({"mine.txt": b"mine"}, parent=head)
    assert raised.value.response.status_code == 412
    assert set(hub.repo(NAME).files()) == {".gitattributes", "theirs.txt"}


def test_a_hook_hangs_up(hub: LoopbackHub) -> None:
    def hang_up(method: str, path: str) -> None:
        raise DisconnectError

    hub.on_call = hang_up
    with pytest.raises(httpx2.TransportError):
        _tag(hub)
    assert not hub.repo(NAME).tags


PUSH = """
import sys
from huggingface_hub import CommitOperationAdd, HfApi
api = HfApi()
operations = [CommitOperationAdd("a.parquet", b"a" * 1_000_000)]
api.create_commit("tester/captions", operations, commit_message="m", repo_type="dataset")
api.create_tag("tester/captions", tag="v1", repo_type="dataset")
"""


@pytest.mark.parametrize(
    ("method", "fragment", "is_done", "committed"),
    [
        ("PUT", "/_lfs/", False, False),
        ("POST", "/commit/", False, False),
        ("POST", "/commit/", True, True),
        ("POST", "/tag/", False, True),
    ],
)
def test_a_client_is_killed(
    hub: LoopbackHub, tmp_path: Path, method: str, fragment: str, is_done: bool, committed: bool
) -> None:
    def kill(asked: str, path: str) -> None:
        if asked == method and fragment in path:
            os.kill(client.pid, signal.SIGKILL)
            client.wait()
            raise DisconnectError

    if is_done:
        hub.on_answer = kill
    else:
        hub.on_call = kill
    environment = {**os.environ, **client_environment(hub, tmp_path / "client")}
    with subprocess.Popen([sys.executable, "-c", PUSH], env=environment) as client:
        assert client.wait(timeout=60) == -signal.SIGKILL
    assert _has(hub, "a.parquet") == committed
    assert not hub.repo(NAME).tags
    hub.on_call = hub.on_answer = None
    subprocess.run([sys.executable, "-c", PUSH], env=environment, check=True)
    assert hub.repo(NAME).tags == {"v1": hub.repo(NAME).branches["main"]}
    assert len(hub.repo(NAME).log()) == 2


def test_a_closed_hub_answers_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackHub() as hub:
        use_hub(monkeypatch, hub, tmp_path)
        hub.create(NAME)
        _tag(hub)
    with pytest.raises(httpx2.ConnectError):
        _tag(hub)


def test_what_the_hub_does_not_speak_is_said_at_once(hub: LoopbackHub) -> None:
    answer = httpx2.get(f"{hub.url}/api/nothing")
    assert answer.status_code == 501
    assert "no route for GET /api/nothing" in answer.text
