"""Releases on the Hub: real clients against the loopback Hub, with everything that goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest

from loopback_hub import (
    UPLOAD_WARNING,
    Limits,
    LoopbackHub,
    client_environment,
    use_hub,
)
from pseudolabel.errors import HubError, OptionError, ReleaseError
from pseudolabel.release import push as push_module
from pseudolabel.release.comparison.diff import diff
from pseudolabel.release.export import export
from pseudolabel.release.hub import RemoteFile, local_release
from pseudolabel.release.manifest import MANIFEST
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.push import Pushed, push
from pseudolabel.release.validate import validate
from run_factory import video_rows, write_run

pytestmark = pytest.mark.filterwarnings(UPLOAD_WARNING)

REPO = "tester/captions"
MANY = ",".join(f"s{i}=0.2" for i in range(5))  # splits, and so files


@pytest.fixture
def hub(hub: LoopbackHub, waits: list[float]) -> LoopbackHub:
    """Whose clients do not wait."""
    datasets.disable_progress_bars()
    return hub


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return release_of(tmp_path / "1.0.0", 3)


def release_of(path: Path, videos: int, version: str = "1.0.0", **options: Any) -> Path:
    rows = [video_rows(f"v{i}.mp4", (f"a cat {i}", "a dog")) for i in range(videos)]
    run = write_run(path.with_name(f"{path.name}-run"), rows)
    options = {"version": version, "license": "cc-by-4.0", "name": "captions", **options}
    export([run], str(path), ReleaseOptions(**options))
    return path


class Waits(list[float]):
    """Waits for nothing, and remembers how long it was asked to."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def send(release: Path, **options: Any) -> tuple[Pushed, Waits]:
    waits = Waits()
    return push(str(release), REPO, wait=waits, **options), waits


def local_files(release: Path) -> dict[str, bytes]:
    paths = (p for p in release.rglob("*") if p.is_file())
    return {p.relative_to(release).as_posix(): p.read_bytes() for p in paths}


def hub_files(hub: LoopbackHub, revision: str) -> dict[str, bytes]:
    files = dict(hub.repo(REPO).files(revision))
    files.pop(".gitattributes", None)
    return files


def commit_of(hub: LoopbackHub, revision: str) -> str:
    return hub.repo(REPO).commit_of(revision).oid


def titles(hub: LoopbackHub) -> list[str]:
    return [commit.title for commit in hub.repo(REPO).log("main")]


def is_whole(hub: LoopbackHub, release: Path, version: str = "1.0.0") -> bool:
    """One commit made `main` the release, and the tag names it."""
    repo = hub.repo(REPO)
    (made,) = [commit for commit in repo.log("main") if commit.title == f"Release v{version}"]
    return repo.commit_of(f"v{version}").oid == made.oid and hub_files(
        hub, made.oid
    ) == local_files(release)


def test_one_commit_one_tag_and_it_loads_back(hub: LoopbackHub, release: Path) -> None:
    pushed, waits = send(release)
    assert is_whole(hub, release)
    assert pushed.commit == commit_of(hub, "main")
    assert not waits
    by_tag = datasets.load_dataset(REPO, "clips", split="train", revision="v1.0.0")
    assert list(by_tag) == list(datasets.load_dataset(str(release), "clips", split="train"))
    assert validate(f"{REPO}@v1.0.0") == []


def test_two_versions_keep_their_own_rows(hub: LoopbackHub, release: Path, tmp_path: Path) -> None:
    send(release)
    newer = release_of(tmp_path / "1.1.0", 5, "1.1.0")
    send(newer)
    assert is_whole(hub, release) and is_whole(hub, newer, "1.1.0")
    for tag, folder in (("v1.0.0", release), ("v1.1.0", newer)):
        loaded = datasets.load_dataset(REPO, split="train", revision=tag)
        assert list(loaded) == list(datasets.load_dataset(str(folder), split="train"))
    found = diff(local_release(f"{REPO}@v1.0.0"), local_release(f"{REPO}@v1.1.0"))
    assert found.bump.name == "MINOR"


def test_what_the_version_before_had_and_this_one_lacks_is_removed(
    hub: LoopbackHub, release: Path, tmp_path: Path
) -> None:
    many = release_of(tmp_path / "many", 6, split=MANY)
    send(many)
    hub.repo(REPO).write({"notes.md": b"somebody's own"}, title="notes")
    send(release_of(tmp_path / "2.0.0", 7, "2.0.0"))
    assert set(hub_files(hub, "v2.0.0")) == {*local_files(tmp_path / "2.0.0"), "notes.md"}


def test_again_it_does_nothing(hub: LoopbackHub, release: Path) -> None:
    send(release)
    before = titles(hub)
    calls = len(hub.calls)
    pushed, _ = send(release)
    assert pushed.was_there
    assert titles(hub) == before
    assert {method for method, _ in hub.calls[calls:]} <= {"GET", "HEAD"}


def test_a_version_never_changes(hub: LoopbackHub, release: Path, tmp_path: Path) -> None:
    send(release)
    other = release_of(tmp_path / "other", 4)
    with pytest.raises(ReleaseError, match=r"v1.0.0 is released, with other files"):
        send(other)
    assert is_whole(hub, release)


def test_an_older_version_does_not_replace_a_newer_one(
    hub: LoopbackHub, release: Path, tmp_path: Path
) -> None:
    newer = release_of(tmp_path / "2.0.0", 3, "2.0.0")
    send(newer)
    with pytest.raises(ReleaseError, match=r"main holds 2.0.0, which is newer than 1.0.0"):
        send(release)
    assert hub_files(hub, "main") == local_files(newer)


def test_a_tag_that_was_never_set_is_set_on_its_own_commit(
    hub: LoopbackHub, release: Path, tmp_path: Path
) -> None:
    send(release)
    first = commit_of(hub, "v1.0.0")
    send(release_of(tmp_path / "1.1.0", 5, "1.1.0"))
    del hub.repo(REPO).tags["v1.0.0"]
    pushed, _ = send(release)
    assert pushed.commit == first == commit_of(hub, "v1.0.0")
    assert hub_files(hub, "main") == local_files(tmp_path / "1.1.0")


def test_a_dry_run_sends_nothing(hub: LoopbackHub, release: Path) -> None:
    pushed, _ = send(release, dry_run=True)
    assert set(pushed.plan.send) == set(local_files(release))
    assert pushed.plan.is_new_repo
    assert {method for method, _ in hub.calls} <= {"GET", "HEAD"}
    assert not hub.has(REPO)


def test_what_will_be_written_is_shown_before_anything_is(hub: LoopbackHub, release: Path) -> None:
    shown: list[tuple[set[str], bool]] = []
    send(release, on_plan=lambda plan: shown.append((set(plan.send), hub.has(REPO))))
    assert shown == [(set(local_files(release)), False)]


def test_a_private_repository_is_made_private(hub: LoopbackHub, release: Path) -> None:
    send(release, private=True)
    assert hub.repo(REPO).is_private


def test_a_pull_request_tags_nothing_until_it_is_merged(hub: LoopbackHub, release: Path) -> None:
    from huggingface_hub import HfApi

    hub.create(REPO)
    pushed, _ = send(release, create_pr=True)
    assert pushed.pull_request is not None and pushed.commit is None
    assert not hub.repo(REPO).tags
    assert hub_files(hub, "main") == {}
    number = int(pushed.pull_request.rpartition("/")[2])
    HfApi().merge_pull_request(REPO, number, repo_type="dataset")
    done, _ = send(release)
    assert done.commit == commit_of(hub, "main") == commit_of(hub, "v1.0.0")
    assert hub_files(hub, "v1.0.0") == local_files(release)


# -- what goes wrong and passes ------------------------------------------------------------------


@pytest.mark.parametrize("status", [409, 412, 429, 500, 503])
@pytest.mark.parametrize("call", ["/commit/", "/tag/"])
def test_a_passing_refusal_is_tried_again(
    hub: LoopbackHub, release: Path, status: int, call: str
) -> None:
    hub.fail("POST", call, status, times=2)
    _, waits = send(release)
    assert is_whole(hub, release)
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1 and 1 <= waits[1] <= 2


def test_it_waits_as_long_as_it_is_told(hub: LoopbackHub, release: Path) -> None:
    hub.fail("POST", "/commit/", 429, headers={"Retry-After": "7"})
    hub.fail("POST", "/tag/", 429, headers={"RateLimit": '"api";r=0;t=55'})
    _, waits = send(release)
    assert waits == [7.0, 55.0]
    assert is_whole(hub, release)


@pytest.mark.parametrize("call", ["/commit/", "/tag/", "/api/repos/create"])
@pytest.mark.parametrize("status", [None, 504])
def test_an_answer_that_is_lost_does_nothing_twice(
    hub: LoopbackHub, release: Path, call: str, status: int | None
) -> None:
    """The Hub has done it; the connection, or a gateway, swallowed the answer."""
    hub.lose_answer("POST", call, status=status)
    send(release)
    assert is_whole(hub, release)


def test_a_pull_request_is_opened_once(hub: LoopbackHub, release: Path) -> None:
    hub.create(REPO)
    hub.lose_answer("POST", "/commit/")
    pushed, _ = send(release, create_pr=True)
    again, _ = send(release, create_pr=True)
    assert pushed.pull_request == again.pull_request
    assert pushed.pull_request is not None and pushed.pull_request.endswith("/discussions/1")
    assert list(hub.repo(REPO).pulls) == [1]


def test_a_connection_cut_in_the_middle_of_an_upload(hub: LoopbackHub, release: Path) -> None:
    hub.cut("PUT", "/", times=2)
    send(release)
    assert is_whole(hub, release)


def test_a_slow_upload_arrives(hub: LoopbackHub, release: Path) -> None:
    hub.slow("PUT", "/", seconds=1)
    send(release)
    assert is_whole(hub, release)


def test_a_hub_that_fails_for_good_is_given_up(hub: LoopbackHub, release: Path) -> None:
    hub.fail("POST", "/commit/", 503, times=6)
    with pytest.raises(HubError, match="the Hub answered 503, 6 times") as caught:
        send(release)
    assert "same command again" in str(caught.value.hint)
    assert not hub.repo(REPO).tags
    send(release)
    assert is_whole(hub, release)


def test_somebody_elses_commit_in_between_is_not_overwritten(
    hub: LoopbackHub, release: Path
) -> None:
    hub.create(REPO)
    theirs = iter([{"README.md": b"# mine"}])

    def commit_first(method: str, path: str) -> None:
        if method == "POST" and "/commit/" in path and (files := next(theirs, None)):
            hub.repo(REPO).write(files, title="theirs")

    hub.on_call = commit_first
    _, waits = send(release)
    assert len(waits) == 1  # the first try met a parent that had moved
    assert titles(hub)[:2] == ["Release v1.0.0", "theirs"]
    assert is_whole(hub, release)


def test_somebody_elses_data_in_between_stops_it(hub: LoopbackHub, release: Path) -> None:
    hub.create(REPO)

    def commit_first(method: str, path: str) -> None:
        if method == "POST" and "/commit/" in path:
            hub.repo(REPO).write({"data.csv": b"theirs"})

    hub.on_call = commit_first
    with pytest.raises(HubError, match=r"holds something that is no release, such as 'data.csv'"):
        send(release)
    assert not hub.repo(REPO).tags


def test_many_files_go_to_a_branch_and_reach_main_by_one_commit(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "FILES_A_COMMIT", 4)
    many = release_of(tmp_path / "many", 10, split=MANY)
    hub.limits = Limits(page_entries=3)
    count = len(local_files(many))
    assert count > 12
    hub.fail("POST", "/commit/", 503)
    send(many)
    assert is_whole(hub, many)
    assert titles(hub).count("Release v1.0.0") == 1
    assert list(hub.repo(REPO).branches) == ["main"]
    commits = [path for method, path in hub.calls if method == "POST" and "/commit/" in path]
    branch = [path for path in commits if "release-v1.0.0" in path]
    assert len(branch) == -(-count // 4) + 1  # one of them was refused


def test_an_interrupted_branch_is_gone_on_with(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "FILES_A_COMMIT", 4)
    many = release_of(tmp_path / "many", 10, split=MANY)

    class PulledOutError(Exception):
        pass

    commits = 0

    def stop(method: str, path: str) -> None:
        nonlocal commits
        if method == "POST" and "/commit/" in path:
            commits += 1

    hub.on_answer = stop
    hub.fail("POST", "/commit/main", 503, times=6)
    with pytest.raises(HubError):
        send(many)
    on_branch = commits
    send(many)
    assert commits == on_branch + 1  # only main was left
    assert is_whole(hub, many)


def test_files_are_compared_a_few_times_and_not_each_with_all(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "FILES_A_COMMIT", 4)
    many = release_of(tmp_path / "many", 10, split=MANY)
    hub.fail("POST", "/commit/main", 503, times=6)
    with pytest.raises(HubError):
        send(many)
    compared = []
    equals = RemoteFile.equals

    def counting(file: RemoteFile, path: Path, sha256: str) -> bool:
        compared.append(path)
        return equals(file, path, sha256)

    monkeypatch.setattr(RemoteFile, "equals", counting)
    send(many)
    assert len(compared) <= 3 * len(local_files(many))


@pytest.mark.parametrize("is_gone", [False, True])
def test_the_branch_does_not_stay_behind(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    """Whether it could not be removed after the commit to main, or the answer was lost."""
    monkeypatch.setattr(push_module, "FILES_A_COMMIT", 4)
    many = release_of(tmp_path / "many", 10, split=MANY)
    if is_gone:
        hub.lose_answer("DELETE", "/branch/")
    else:
        hub.fail("DELETE", "/branch/", 503, times=6)
        with pytest.raises(HubError):
            send(many)
    send(many)
    assert list(hub.repo(REPO).branches) == ["main"]
    assert is_whole(hub, many)


@pytest.mark.parametrize("at", range(0, 30, 2))
def test_killed_at_any_call_the_next_push_finishes(
    hub: LoopbackHub, release: Path, tmp_path: Path, at: int
) -> None:
    """A real SIGKILL of a real process, at its n-th request."""
    script = "import sys; from pseudolabel.release.push import push; push(sys.argv[1], sys.argv[2])"
    environment = client_environment(hub, tmp_path / "home")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(release), REPO],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    seen = 0

    def kill(_method: str, _path: str) -> None:
        nonlocal seen
        seen += 1
        if seen > at:
            process.kill()

    hub.on_call = kill
    process.wait()
    hub.on_call = None
    send(release)
    assert is_whole(hub, release)


# -- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["captions", "a/b/c", "user/..", "user/a b", "user/-x", "x/" + "y" * 97]
)
def test_a_name_that_the_hub_does_not_allow(hub: LoopbackHub, release: Path, name: str) -> None:
    with pytest.raises(OptionError, match="name"):
        push(str(release), name)
    assert not hub.calls


def test_a_revision_is_not_passed_over(hub: LoopbackHub, release: Path) -> None:
    with pytest.raises(OptionError, match="goes to main") as caught:
        push(str(release), f"{REPO}@v2")
    assert caught.value.hint == f"use {REPO}"
    assert not hub.calls


def test_no_token(
    hub: LoopbackHub, release: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_hub(monkeypatch, hub, tmp_path / "nobody", token="")
    with pytest.raises(HubError, match="no token") as caught:
        send(release)
    assert "hf auth login" in str(caught.value.hint)
    assert not hub.calls


@pytest.mark.parametrize(
    ("token", "told"), [("hf_wrong", "token"), ("hf_loopback_read", "may not")]
)
def test_a_token_that_may_not_write(
    hub: LoopbackHub,
    release: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    token: str,
    told: str,
) -> None:
    use_hub(monkeypatch, hub, tmp_path / "reader", token=token)
    with pytest.raises(HubError, match=told) as caught:
        send(release)
    assert token not in f"{caught.value} {caught.value.hint}"
    assert not hub.has(REPO) or not hub.repo(REPO).tags


def test_a_repository_of_something_else(hub: LoopbackHub, release: Path) -> None:
    hub.create(REPO)
    hub.repo(REPO).write({"images/1.png": b"x", "manifest.json": b"{}"})
    with pytest.raises(HubError, match=r"is no release, such as 'images/1.png'"):
        send(release)
    assert titles(hub)[0] != "Release v1.0.0"


def test_a_release_that_is_not_whole_is_not_sent(hub: LoopbackHub, release: Path) -> None:
    card = release / "README.md"
    card.write_text(card.read_text() + "changed")
    with pytest.raises(ReleaseError, match=r"README.md: has .* bytes, not"):
        send(release)
    assert not hub.calls


def test_a_hub_that_changed_what_was_sent_is_found_out(hub: LoopbackHub, release: Path) -> None:
    def tamper(method: str, path: str) -> None:
        if method == "POST" and "/tag/" in path:
            repo = hub.repo(REPO)
            files = repo.files("v1.0.0")
            manifest = json.loads(files[MANIFEST]) | {"name": "another"}
            repo.tags["v1.0.0"] = repo.write({MANIFEST: json.dumps(manifest).encode()})

    hub.on_answer = tamper
    with pytest.raises(HubError, match=r"v1\.0\.0 does not"):
        send(release)


def test_no_hub_at_all(release: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with LoopbackHub() as gone:
        use_hub(monkeypatch, gone, tmp_path / "home")
    with pytest.raises(HubError, match="the connection failed"):
        send(release)


def test_switched_off(release: Path) -> None:
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        push(str(release), REPO, dry_run=True)
