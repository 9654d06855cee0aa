"""What the Hub answers to each call, in its own words; status and headers are what clients need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlencode

from loopback_store import Blob, HubError, PullRequest, Repository, describe, is_large, list_tree
from loopback_wire import FileSpan, Reply, Request

if TYPE_CHECKING:
    from loopback_hub import LoopbackHub

_NO_TOKEN = "Invalid username or password."


@dataclass(frozen=True, slots=True)
class Account:
    """Who a token belongs to, and what it may do; it may write where it is the owner."""

    user: str
    role: Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request about a repository that the caller may see; `names` are the parts of its path."""

    request: Request
    repo: Repository
    account: Account | None
    names: Mapping[str, str]

    @property
    def revision(self) -> str:
        return self.names.get("revision", "main")

    def json(self) -> Any:
        return json.loads(self.request.body.read() or b"{}")

    def is_on(self, option: str) -> bool:
        return self.request.query.get(option, [""])[0].lower() in ("1", "true")

    def author(self) -> str:
        """Who asks, where any token for writing is enough: to open a pull request."""
        if self.account is None:
            raise HubError(401, _NO_TOKEN)
        if self.account.role != "write":
            raise HubError(403, "Forbidden: you must use a write token to upload to a repository.")
        return self.account.user

    def writer(self) -> str:
        """Who asks, where it takes the right to write to this repository."""
        author = self.author()
        if author != self.repo.owner:
            raise HubError(403, "pass `create_pr=1` as a query parameter to create a Pull Request")
        return author


def _page(hub: LoopbackHub, ask: Ask, entries: Sequence[Mapping[str, Any]]) -> Reply:
    """One page, with a link to the next where there is one."""
    size, start = hub.limits.page_entries, int(ask.request.query.get("cursor", ["0"])[0])
    headers = {}
    if start + size < len(entries):
        query = {**ask.request.query, "cursor": [str(start + size)]}
        address = f"{hub.url}{ask.request.path}?{urlencode(query, doseq=True)}"
        headers["Link"] = f'<{address}>; rel="next"'
    return Reply.json(entries[start : start + size], headers=headers)


# Accounts and repositories


def _whoami(hub: LoopbackHub, request: Request, account: Account | None) -> Reply:
    if account is None:
        raise HubError(401, _NO_TOKEN)
    token = {"displayName": "loopback", "role": account.role}
    auth = {"type": "access_token", "accessToken": token}
    return Reply.json({"type": "user", "name": account.user, "orgs": [], "auth": auth})


def _create(hub: LoopbackHub, request: Request, account: Account | None) -> Reply:
    asked = json.loads(request.body.read())
    kind = asked.get("type") or "model"
    if account is None:
        raise HubError(401, _NO_TOKEN)
    owner = asked.get("organization") or account.user
    if account.role != "write" or owner != account.user:
        words = f'You don\'t have the rights to create a {kind} under the namespace "{owner}"'
        raise HubError(403, words)
    name = f"{owner}/{asked['name']}"
    url = f"{hub.url}/{name}" if kind == "model" else f"{hub.url}/{kind}s/{name}"
    if hub.has(name, f"{kind}s"):
        return Reply.json({"error": f"You already created this {kind} repo", "url": url}, 409)
    hub.create(name, f"{kind}s", private=asked.get("visibility") == "private")
    return Reply.json({"url": url, "name": name, "id": name})


def _check_card(hub: LoopbackHub, request: Request, account: Account | None) -> Reply:
    errors = [{"message": message} for message in hub.card_errors]
    return Reply.json({"errors": errors, "warnings": []}, 400 if errors else 200)


# Reading


def _info(hub: LoopbackHub, ask: Ask) -> Reply:
    repo, commit = ask.repo, ask.repo.commit_of(ask.revision)
    siblings: list[dict[str, Any]] = []
    for path, blob in sorted(commit.tree.items()):
        siblings.append({"rfilename": path})
        if "blobs" in ask.request.query:
            siblings[-1] |= {"size": blob.size, "blobId": blob.git_oid}
            siblings[-1] |= {"lfs": blob.pointer()} if blob.is_lfs else {}
    known = {"id": repo.name, "author": repo.owner, "sha": commit.oid, "siblings": siblings}
    dates = {"lastModified": commit.date, "createdAt": repo.log()[-1].date}
    state = {"private": repo.is_private, "gated": False, "disabled": False}
    return Reply.json({**known, **dates, **state, "downloads": 0, "likes": 0, "tags": []})


def _refs(hub: LoopbackHub, ask: Ask) -> Reply:
    def listed(prefix: str, names: Mapping[str, str]) -> list[dict[str, str]]:
        return [{"name": n, "ref": prefix + n, "targetCommit": c} for n, c in names.items()]

    branches, tags = ask.repo.branches, ask.repo.tags
    refs = {"branches": listed("refs/heads/", branches), "tags": listed("refs/tags/", tags)}
    if ask.is_on("include_prs"):
        pulls = {f"refs/pr/{pull.number}": pull.head for pull in ask.repo.pulls.values()}
        refs["pullRequests"] = listed("", pulls)
    return Reply.json({**refs, "converts": []})


def _log(hub: LoopbackHub, ask: Ask) -> Reply:
    return _page(hub, ask, [commit.entry() for commit in ask.repo.log(ask.revision)])


def _tree(hub: LoopbackHub, ask: Ask) -> Reply:
    commit, folder = ask.repo.commit_of(ask.revision), ask.names.get("path", "").strip("/")
    paths = list_tree(commit.tree, folder, ask.is_on("recursive"))
    entries = [entry for path in paths if (entry := describe(commit.tree, path))]
    if ask.is_on("expand"):
        last = {"id": commit.oid, "title": commit.title, "date": commit.date}
        entries = [{**entry, "lastCommit": last} for entry in entries]
    return _page(hub, ask, entries)


def _paths_info(hub: LoopbackHub, ask: Ask) -> Reply:
    tree = ask.repo.commit_of(ask.revision).tree
    form = parse_qs(ask.request.body.read().decode())
    found = [describe(tree, path) for path in form.get("paths", [])]
    return Reply.json([entry for entry in found if entry])


def _resolve(hub: LoopbackHub, ask: Ask) -> Reply:
    commit, path = ask.repo.commit_of(ask.revision), ask.names["path"]
    headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
    if path not in commit.tree:
        headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
        return Reply.json({"error": "Entry not found"}, 404, headers)
    blob = commit.tree[path]
    headers |= {"ETag": f'"{blob.etag}"', "Content-Type": "application/octet-stream"}
    if blob.is_lfs:
        headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(blob.size)}
    return _span(blob, headers, ask.request.headers.get("Range") or "")


def _span(blob: Blob, headers: Mapping[str, str], wanted: str) -> Reply:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if not found:
        return Reply(200, headers, FileSpan(blob.path, 0, blob.size))
    start, stop = int(found[1]), min(int(found[2] or blob.size), blob.size - 1) + 1
    if start >= blob.size:
        return Reply(416, {**headers, "Content-Range": f"bytes */{blob.size}"})
    place = {"Content-Range": f"bytes {start}-{stop - 1}/{blob.size}"}
    return Reply(206, {**headers, **place}, FileSpan(blob.path, start, stop - start))


# Uploads and commits


def _preupload(hub: LoopbackHub, ask: Ask) -> Reply:
    ask.author() if ask.is_on("create_pr") else ask.writer()
    tree, modes = ask.repo.commit_of(ask.revision).tree, []
    for file in ask.json()["files"]:
        path, sample = file["path"], base64.b64decode(file["sample"])
        large = is_large(path, file["size"], sample, hub.limits.regular_bytes)
        mode = {"uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        known = {"oid": tree[path].etag} if path in tree else {}
        modes.append({"path": path, **mode, **known})
    return Reply.json({"files": modes})


def _lfs_batch(hub: LoopbackHub, ask: Ask) -> Reply:
    asked = ask.json()
    ask.writer() if "ref" in asked else ask.author()  # a pull request names no branch
    home = f"{hub.url}/_lfs/{ask.repo.kind}/{ask.repo.name}"
    objects = []
    for item in asked["objects"]:
        oid, size, part_bytes = item["oid"], item["size"], hub.limits.part_bytes
        objects.append({"oid": oid, "size": size})
        if oid in ask.repo.lfs:
            continue
        upload: dict[str, Any] = {"href": f"{home}/{oid}", "header": {}}
        if part_bytes and size > part_bytes:
            numbers = range(1, -(-size // part_bytes) + 1)
            upload["header"] = {str(n): f"{home}/{oid}/part/{n}" for n in numbers}
            upload["header"]["chunk_size"] = str(part_bytes)
            upload["href"] = f"{home}/{oid}/complete"
        actions = {"upload": upload, "verify": {"href": f"{home}/{oid}/verify"}}
        objects[-1]["actions"] = actions
    return Reply.json({"transfer": "basic", "objects": objects})


def _lfs_put(hub: LoopbackHub, ask: Ask) -> Reply:
    body = ask.request.body
    if body.sha256 != ask.names["oid"]:
        raise HubError(400, f"the content has the SHA-256 {body.sha256}")
    ask.repo.upload(body.path, body.sha256)
    return Reply()


def _lfs_part(hub: LoopbackHub, ask: Ask) -> Reply:
    body = ask.request.body
    body.path.rename(hub.folder / f"{ask.names['oid']}.{ask.names['part']}")
    return Reply(headers={"ETag": f'"{body.sha256}"'})


def _lfs_complete(hub: LoopbackHub, ask: Ask) -> Reply:
    oid, whole, digest = ask.names["oid"], ask.request.body.path, hashlib.sha256()
    parts = ask.json()["parts"]
    with whole.open("wb") as file:
        for part in parts:
            content = (hub.folder / f"{oid}.{part['partNumber']}").read_bytes()
            if part["etag"] != f'"{hashlib.sha256(content).hexdigest()}"':
                raise HubError(400, f"part {part['partNumber']} is not the one that was uploaded")
            digest.update(content)
            file.write(content)
    if digest.hexdigest() != oid:
        raise HubError(400, f"the parts have the SHA-256 {digest.hexdigest()}")
    ask.repo.upload(whole, oid)
    return Reply.json({})


def _lfs_verify(hub: LoopbackHub, ask: Ask) -> Reply:
    if ask.repo.large(ask.names["oid"]).size != ask.json()["size"]:
        raise HubError(400, "the content has another size")
    return Reply.json({})


def _commit(hub: LoopbackHub, ask: Ask) -> Reply:
    opens_pull, repo, body = ask.is_on("create_pr"), ask.repo, ask.request.body
    author = ask.author() if opens_pull else ask.writer()
    head, *operations = [json.loads(line) for line in body.read().splitlines()]
    too_many = len(operations) > hub.limits.commit_operations
    if too_many or body.size > hub.limits.commit_bytes:
        raise HubError(413, "Payload Too Large")
    title, parent = head["value"]["summary"], head["value"].get("parentCommit")
    if ask.revision not in repo.branches and not ask.revision.startswith("refs/pr/"):
        raise HubError(404, f"Invalid rev id: {ask.revision}", "RevisionNotFound")
    base = repo.commit_of(parent if opens_pull and parent else ask.revision)
    if parent and not base.oid.startswith(parent):
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    tree = repo.changed(base.tree, operations)
    answer, branch = {"success": True, "hookOutput": ""}, ask.revision
    if opens_pull:
        number = repo.open_pull(base.oid, title, author).number
        branch = f"refs/pr/{number}"
        answer["pullRequestUrl"] = f"{hub.url}/{repo.kind}/{repo.name}/discussions/{number}"
    message = head["value"].get("description", "")
    oid = repo.commit(branch, tree, title=title, author=author, message=message, parent=base.oid)
    url = f"{hub.url}/{repo.kind}/{repo.name}/commit/{oid}"
    return Reply.json({**answer, "commitOid": oid, "commitUrl": url})


# Tags, branches, pull requests


def _tag(hub: LoopbackHub, ask: Ask) -> Reply:
    ask.writer()
    asked, target = ask.json(), ask.repo.commit_of(ask.revision).oid
    if asked["tag"] in ask.repo.tags:
        raise HubError(409, "Tag reference exists already")
    ask.repo.tags[asked["tag"]] = target
    ask.repo.tag_messages[asked["tag"]] = asked.get("message", "")
    return Reply.json({})


def _branch(hub: LoopbackHub, ask: Ask) -> Reply:
    ask.writer()
    target = ask.repo.commit_of(ask.json().get("startingPoint") or "main").oid
    if ask.revision in ask.repo.branches:
        raise HubError(409, "Reference already exists")
    ask.repo.branches[ask.revision] = target
    return Reply.json({})


def _drop(hub: LoopbackHub, ask: Ask) -> Reply:
    ask.writer()
    names = ask.repo.tags if ask.names["what"] == "tag" else ask.repo.branches
    if ask.revision == "main" and names is ask.repo.branches:
        raise HubError(403, "Cannot delete the main branch")
    if names.pop(ask.revision, None) is None:
        raise HubError(404, f"Invalid rev id: {ask.revision}", "RevisionNotFound")
    return Reply.json({})


def _described(ask: Ask, pull: PullRequest) -> dict[str, Any]:
    kind = ask.repo.kind.removesuffix("s")
    return {**pull.entry(), "repo": {"name": ask.repo.name, "type": kind}}


def _pulls(hub: LoopbackHub, ask: Ask) -> Reply:
    found = [_described(ask, pull) for pull in ask.repo.pulls.values()]
    return Reply.json({"discussions": found, "count": len(found), "start": 0})


def _open_pull(hub: LoopbackHub, ask: Ask) -> Reply:
    author, base = ask.author(), ask.repo.commit_of("main").oid
    pull = ask.repo.open_pull(base, ask.json()["title"], author, status="draft")
    return Reply.json({"num": pull.number})


def _pull(hub: LoopbackHub, ask: Ask) -> Reply:
    pull = _pull_of(ask)
    changes = {"base": "main", "mergeCommitId": pull.merged_as}
    details = {"changes": changes, "filesWithConflicts": [], "events": [], "diff": ""}
    return Reply.json({**_described(ask, pull), **details})


def _pull_of(ask: Ask) -> PullRequest:
    pull = ask.repo.pulls.get(int(ask.names["number"]))
    if pull is None:
        raise HubError(404, f"no discussion {ask.names['number']}")
    return pull


def _set_status(hub: LoopbackHub, ask: Ask) -> Reply:
    pull, author = _pull_of(ask), ask.author()
    pull.status = ask.json()["status"]
    event = {"id": "0", "type": "status-change", "createdAt": pull.date, "author": {"name": author}}
    return Reply.json({"newStatus": {**event, "data": {"status": pull.status}}})


def _merge(hub: LoopbackHub, ask: Ask) -> Reply:
    ask.repo.merge(_pull_of(ask), ask.writer())
    return Reply.json({})


_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_API = rf"/api/(?P<kind>models|datasets|spaces)/{_NAME}"
_FILES = rf"/(?:(?P<kind>datasets|spaces)/)?{_NAME}"
_LFS = rf"/_lfs/(?P<kind>models|datasets|spaces)/{_NAME}/(?P<oid>[0-9a-f]{{64}})"
_REVISION = r"(?P<revision>[^/]+)"
_PULL = rf"{_API}/discussions/(?P<number>\d+)"

HubRoute = Callable[["LoopbackHub", Request, Account | None], Reply]
RepoRoute = Callable[["LoopbackHub", Ask], Reply]

HUB_ROUTES: tuple[tuple[str, str, HubRoute], ...] = (
    ("GET", "/api/whoami-v2", _whoami),
    ("POST", "/api/repos/create", _create),
    ("POST", "/api/validate-yaml", _check_card),
)
REPO_ROUTES: tuple[tuple[str, str, RepoRoute], ...] = (
    ("GET", rf"{_API}(?:/revision/{_REVISION})?", _info),
    ("GET", rf"{_API}/refs", _refs),
    ("GET", rf"{_API}/commits/{_REVISION}", _log),
    ("GET", rf"{_API}/tree/{_REVISION}(?P<path>/.*)?", _tree),
    ("POST", rf"{_API}/paths-info/{_REVISION}", _paths_info),
    ("GET HEAD", rf"{_FILES}/resolve/{_REVISION}/(?P<path>.+)", _resolve),
    ("POST", rf"{_API}/preupload/{_REVISION}", _preupload),
    ("POST", rf"{_FILES}\.git/info/lfs/objects/batch", _lfs_batch),
    ("PUT", _LFS, _lfs_put),
    ("PUT", rf"{_LFS}/part/(?P<part>\d+)", _lfs_part),
    ("POST", rf"{_LFS}/complete", _lfs_complete),
    ("POST", rf"{_LFS}/verify", _lfs_verify),
    ("POST", rf"{_API}/commit/{_REVISION}", _commit),
    ("POST", rf"{_API}/tag/{_REVISION}", _tag),
    ("POST", rf"{_API}/branch/{_REVISION}", _branch),
    ("DELETE", rf"{_API}/(?P<what>tag|branch)/{_REVISION}", _drop),
    ("GET", rf"{_API}/discussions", _pulls),
    ("POST", rf"{_API}/discussions", _open_pull),
    ("GET", _PULL, _pull),
    ("POST", rf"{_PULL}/status", _set_status),
    ("POST", rf"{_PULL}/merge", _merge),
)
