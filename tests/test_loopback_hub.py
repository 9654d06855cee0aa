"""The loopback hub, through the real clients: what they ask it, and what its faults do to them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    RepoFile,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from loopback_hub import UPLOAD_WARNING, LoopbackHub, client_environment
from loopback_routes import Account

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
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.token)


@pytest.fixture
def commit(api: HfApi) -> Commit:
    """Commits files, given as bytes by path; None deletes."""

    def run(files: dict[str, bytes | None], api: HfApi = api, **options: object) -> CommitInfo:
        operations = [
            CommitOperationDelete(path) if data is None else CommitOperationAdd(path, data)
            for path, data in files.items()
        ]
        options = {"commit_message": "a release", "repo_type": "dataset", **options}
        return api.create_commit(NAME, operations, **options)  # type: ignore[call-overload,no-any-return]

    return run


def _status(call: Callable[[], object]) -> int:
    with pytest.raises(HfHubHTTPError) as raised:
        call()
    return int(raised.value.response.status_code)


def _asked(hub: LoopbackHub, fragment: str) -> int:
    return sum(fragment in path for _, path in hub.calls)


# What works


def test_a_repository_is_made_once(hub: LoopbackHub, api: HfApi) -> None:
    assert api.whoami()["name"] == "tester"
    url = api.create_repo("tester/new", repo_type="dataset", private=True)
    assert url.repo_id == "tester/new"
    assert hub.repo("tester/new").is_private
    assert api.repo_info("tester/new", repo_type="dataset").private
    assert _status(lambda: api.create_repo("tester/new", repo_type="dataset")) == 409
    api.create_repo("tester/new", repo_type="dataset", exist_ok=True)
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info("tester/other", repo_type="dataset")


def test_a_commit_with_large_and_regular_files_is_tagged_and_comes_back(
    hub: LoopbackHub, api: HfApi, commit: Commit, tmp_path: Path
) -> None:
    first = commit(
        {"README.md": b"---\nlicense: mit\n---\n", "data/a.parquet": LARGE, "b.txt": b"b"}
    )
    api.create_tag(NAME, tag="v1.0.0", revision=first.oid, tag_message="one", repo_type="dataset")
    commit({"b.txt": None, "c.txt": b"c"}, parent_commit=first.oid)
    repo = hub.repo(NAME)
    assert repo.tags == {"v1.0.0": first.oid}
    assert repo.files("v1.0.0")["data/a.parquet"] == LARGE
    assert set(repo.files()) == {".gitattributes", "README.md", "data/a.parquet", "c.txt"}
    assert [entry.title for entry in repo.log()] == ["a release", "a release", "initial commit"]
    folder = Path(snapshot_download(NAME, repo_type="dataset", revision="v1.0.0"))
    assert folder.name == first.oid
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == repo.files("v1.0.0")
    assert api.file_exists(NAME, "c.txt", repo_type="dataset")
    assert not api.file_exists(NAME, "b.txt", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.repo_info(NAME, repo_type="dataset", revision="v2.0.0")


def test_what_is_there_already_is_not_sent_again(hub: LoopbackHub, commit: Commit) -> None:
    first = commit({"a.parquet": LARGE, "b.txt": b"b"})
    assert commit({"a.parquet": LARGE, "b.txt": b"b"}).oid == first.oid
    commit({"again.parquet": LARGE})
    assert sum(method == "PUT" for method, _ in hub.calls) == 1


def test_a_large_file_goes_up_in_parts(hub: LoopbackHub, commit: Commit) -> None:
    hub.limits.part_bytes = len(LARGE) // 3
    commit({"a.parquet": LARGE, "small.parquet": b"small"})
    assert hub.repo(NAME).files()["a.parquet"] == LARGE
    assert _asked(hub, "/part/") == 4


def test_lists_come_in_pages(hub: LoopbackHub, api: HfApi, commit: Commit) -> None:
    commit({f"data/{number:02}.txt": b"%d" % number for number in range(9)})
    hub.limits.page_entries = 4
    tree = api.list_repo_tree(NAME, "data", repo_type="dataset")
    assert [entry.path for entry in tree] == [f"data/{number:02}.txt" for number in range(9)]
    assert _asked(hub, "/tree/") == 3
    for number in range(4):
        hub.repo(NAME).write({"n.txt": b"%d" % number}, title=f"change {number}")
    titles = [entry.title for entry in api.list_repo_commits(NAME, repo_type="dataset")]
    assert titles == [*(f"change {n}" for n in (3, 2, 1, 0)), "a release", "initial commit"]
    assert _asked(hub, "/commits/") == 2


def test_paths_say_size_and_checksum(hub: LoopbackHub, api: HfApi, commit: Commit) -> None:
    commit({"data/a.parquet": LARGE, "b.txt": b"b"})
    asked = ["data/a.parquet", "b.txt", "data", "none"]
    large, small, folder = api.get_paths_info(NAME, asked, repo_type="dataset")
    assert isinstance(large, RepoFile) and isinstance(small, RepoFile)
    assert large.lfs is not None
    assert large.lfs.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert (large.size, small.size, small.lfs, folder.path) == (len(LARGE), 1, None, "data")


def test_a_branch_and_pull_requests(hub: LoopbackHub, api: HfApi, commit: Commit) -> None:
    repo = hub.repo(NAME)
    api.create_branch(NAME, branch="release/v1", repo_type="dataset")
    commit({"a.txt": b"a"}, revision="release/v1")
    assert "a.txt" not in repo.files()
    assert "a.txt" in repo.files("release/v1")
    api.delete_branch(NAME, branch="release/v1", repo_type="dataset")
    made = commit({"b.txt": b"b"}, create_pr=True)
    assert made.pr_revision == "refs/pr/1"
    commit({"c.txt": b"c"}, revision=made.pr_revision)
    assert set(repo.files()) == {".gitattributes"}
    refs = api.list_repo_refs(NAME, include_pull_requests=True, repo_type="dataset")
    assert [ref.ref for ref in refs.pull_requests or []] == ["refs/pr/1"]
    api.merge_pull_request(NAME, 1, repo_type="dataset")
    assert set(repo.files()) == {".gitattributes", "b.txt", "c.txt"}
    assert len(repo.log()) == 2
    details = api.get_discussion_details(NAME, 1, repo_type="dataset")
    assert (details.status, details.merge_commit_oid) == ("merged", repo.branches["main"])


def test_a_pull_request_that_lost_a_race_has_conflicts(
    hub: LoopbackHub, api: HfApi, commit: Commit
) -> None:
    commit({"a.txt": b"mine"}, create_pr=True)
    hub.repo(NAME).write({"a.txt": b"theirs"})
    assert _status(lambda: api.merge_pull_request(NAME, 1, repo_type="dataset")) == 409
    assert hub.repo(NAME).files()["a.txt"] == b"theirs"


def _parquet(rows: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": rows}), sink)
    return bytes(sink.getvalue())


LOAD = """
import sys
from datasets import load_dataset
print(load_dataset("tester/captions", split="train", revision=sys.argv[1])["text"][:])
"""


def test_datasets_loads_by_tag_in_a_process_of_its_own(
    hub: LoopbackHub, commit: Commit, api: HfApi, tmp_path: Path
) -> None:
    commit({"data/train-00000-of-00001.parquet": _parquet(["one"])})
    api.create_tag(NAME, tag="v1", repo_type="dataset")
    commit({"data/train-00000-of-00001.parquet": _parquet(["one", "two"])})
    environment = {**os.environ, **client_environment(hub, tmp_path / "other", hub.read_token)}
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, "v1"], env=environment, capture_output=True, text=True
    )
    assert loaded.stdout == "['one']\n", loaded.stderr


def test_datasets_loads_by_tag_in_this_process(
    hub: LoopbackHub, commit: Commit, api: HfApi
) -> None:
    from datasets import load_dataset

    for version, rows in (("v1", ["one"]), ("v2", ["one", "two"])):
        commit({"data/train-00000-of-00001.parquet": _parquet(rows)})
        api.create_tag(NAME, tag=version, repo_type="dataset")
    for version, rows in (("v1", ["one"]), ("v2", ["one", "two"])):
        assert load_dataset(NAME, split="train", revision=version)["text"][:] == rows
    rows_streamed = load_dataset(NAME, split="train", revision="v1", streaming=True)
    assert [row["text"] for row in rows_streamed] == ["one"]


def test_the_hub_runs_in_a_process_of_its_own() -> None:
    script = Path(__file__).with_name("loopback_hub.py")
    command = [sys.executable, str(script), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx2.get(f"{url}/api/whoami-v2")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    assert answer.status_code == 401


# Who may do what


def _clients(hub: LoopbackHub) -> dict[str, HfApi]:
    hub.tokens["hf_stranger"] = Account("stranger", "write")
    tokens: dict[str, str | bool] = {
        "nobody": False,
        "unknown": "hf_unknown",
        "reader": hub.read_token,
    }
    tokens["stranger"] = "hf_stranger"
    return {name: HfApi(endpoint=hub.url, token=token) for name, token in tokens.items()}


@pytest.mark.parametrize(
    ("who", "reads", "reads_private", "writes", "proposes"),
    [
        ("nobody", 200, 401, 401, 401),
        ("unknown", 401, 401, 401, 401),
        ("reader", 200, 200, 403, 403),
        ("stranger", 200, 404, 403, 200),
    ],
)
def test_tokens_decide(
    hub: LoopbackHub,
    commit: Commit,
    who: str,
    reads: int,
    reads_private: int,
    writes: int,
    proposes: int,
) -> None:
    hub.create("tester/private", private=True)
    api = _clients(hub)[who]

    def status(call: Callable[[], object]) -> int:
        try:
            call()
        except HfHubHTTPError as error:
            return int(error.response.status_code)
        return 200

    assert status(lambda: api.repo_info(NAME, repo_type="dataset")) == reads
    assert status(lambda: api.repo_info("tester/private", repo_type="dataset")) == reads_private
    assert status(lambda: commit({"a.parquet": LARGE}, api)) == writes
    assert status(lambda: api.create_tag(NAME, tag="v1", repo_type="dataset")) == writes
    assert status(lambda: api.create_repo("tester/new", repo_type="dataset")) == writes
    assert status(lambda: commit({"a.parquet": LARGE}, api, create_pr=True)) == proposes
    assert set(hub.repo(NAME).files()) == {".gitattributes"}
    assert not hub.repo(NAME).tags


def test_a_private_repository_hides(hub: LoopbackHub) -> None:
    hub.create("tester/private", private=True).write({"a.txt": b"a"})
    for who in ("nobody", "stranger"):
        token = _clients(hub)[who].token
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download("tester/private", "a.txt", repo_type="dataset", token=token)
    path = hf_hub_download("tester/private", "a.txt", repo_type="dataset", token=hub.read_token)
    assert Path(path).read_bytes() == b"a"


# What the Hub refuses


def test_a_stale_parent_is_refused(hub: LoopbackHub, commit: Commit) -> None:
    head = hub.repo(NAME).branches["main"]
    hub.repo(NAME).write({"theirs.txt": b"theirs"})
    assert _status(lambda: commit({"mine.txt": b"mine"}, parent_commit=head)) == 412
    assert "mine.txt" not in hub.repo(NAME).files()


def test_a_tag_is_set_once(hub: LoopbackHub, api: HfApi, commit: Commit) -> None:
    api.create_tag(NAME, tag="v1", repo_type="dataset")
    before = dict(hub.repo(NAME).tags)
    commit({"a.txt": b"a"})
    assert _status(lambda: api.create_tag(NAME, tag="v1", repo_type="dataset")) == 409
    assert hub.repo(NAME).tags == before


def test_too_much_for_one_commit_is_refused(hub: LoopbackHub, commit: Commit) -> None:
    hub.limits.commit_operations = 2
    assert _status(lambda: commit({f"{n}.parquet": b"%d" % n for n in range(3)})) == 413
    hub.limits.commit_operations, hub.limits.commit_bytes = 9, 1000
    assert _status(lambda: commit({"a.txt": b"a" * 1000})) == 413
    assert len(hub.repo(NAME).log()) == 1


def test_a_bad_card_and_a_file_that_is_not_there_are_refused(
    hub: LoopbackHub, commit: Commit
) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        commit({"none.txt": None})
    hub.card_errors = ["license must be one of"]
    with pytest.raises(ValueError, match="license must be one of"):
        commit({"README.md": b"---\nlicense: x\n---\n"})


def test_a_content_that_is_not_what_it_says_is_refused(hub: LoopbackHub) -> None:
    address = f"{hub.url}/_lfs/datasets/{NAME}/{'0' * 64}"
    assert httpx2.put(address, content=b"other").status_code == 400
    assert not hub.repo(NAME).lfs
