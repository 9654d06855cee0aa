"""Names on the Hub, through the real client, against a loopback server that acts as the Hub."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants as hub_constants
import pytest

from pseudolabel.captioners.load import identify, introduce, load_captioner
from pseudolabel.captioners.options import DEFAULT_MODEL, CaptionOptions
from pseudolabel.errors import CaptionerError
from tiny_video_captioner import write_checkpoint

TOKEN = "hf_secret"
NAME = "tiny/captioner"


class FakeHub:
    """Repositories as `{name: {revision: {file: bytes}}}`; a name's error as `(status, code)`."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.errors: dict[str, tuple[int, str]] = {}
        self.pulls: list[dict[str, Any]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_HEAD(self) -> None:
                hub.handle(self)

            do_GET = do_HEAD  # noqa: N815  # the name http.server looks for

        self._is_open = True
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def commit(self, name: str, revision: str) -> str | None:
        for known, files in self.repos[name].items():
            digest = hashlib.sha1(f"{known}{sorted(files)}".encode()).hexdigest()
            if revision in (known, digest):
                return digest
        return None

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        name = "/".join(path.removeprefix("/api/models").lstrip("/").split("/")[:2])
        status, code, headers, body = 200, "", {}, b""
        if name in self.errors:
            status, code = self.errors[name]
        elif name not in self.repos:
            status, code = 404, "RepoNotFound"
        elif path.endswith("/discussions"):
            body = json.dumps(self._discussions()).encode()
        else:
            found = re.search(r"/(resolve|tree|revision)/(refs/pr/\d+|[^/]+)/?(.*)", path)
            assert found, path
            kind, revision, file = found.groups()
            commit = self.commit(name, revision)
            files = next(
                (
                    files
                    for known, files in self.repos[name].items()
                    if commit == self.commit(name, known)
                ),
                {},
            )
            if commit is None:
                status, code = 404, "RevisionNotFound"
            elif kind == "tree":
                body = json.dumps([_entry(path, data) for path, data in files.items()]).encode()
            elif kind == "revision":
                siblings = [{"rfilename": path} for path in files]
                body = json.dumps({"id": name, "sha": commit, "siblings": siblings}).encode()
            elif file not in files:
                status, code = 404, "EntryNotFound"
                headers = {"X-Repo-Commit": commit}
            else:
                body = files[file]
                headers = {"X-Repo-Commit": commit, "ETag": hashlib.sha1(body).hexdigest()}
        request.send_response(status)
        for key, value in {**headers, "X-Error-Code": code, "Content-Length": len(body)}.items():
            if value != "":
                request.send_header(key, str(value))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    def _discussions(self) -> dict[str, Any]:
        day = "2024-01-01T00:00:00.000Z"
        made = [
            {
                "title": "Adding safetensors",
                "status": "open",
                "isPullRequest": True,
                "createdAt": day,
                "repo": {"name": NAME, "type": "model"},
                **pull,
            }
            for pull in self.pulls
        ]
        return {"discussions": made, "count": len(made), "start": 0}

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    entry = {"type": "file", "path": path, "oid": "0" * 40, "size": len(data)}
    return entry | ({"lfs": large} if path.endswith((".bin", ".safetensors")) else {})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    made = FakeHub()
    template = made.url + "/{repo_id}/resolve/{revision}/{filename}"
    for name, value in {
        "ENDPOINT": made.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(hub_constants, name, value)
    monkeypatch.setattr("transformers.utils.hub._hf_api", None)  # it keeps the first endpoint
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield made
    made.close()


@pytest.fixture
def files(tiny: Callable[[str], Path]) -> dict[str, bytes]:
    """The files of a tiny model."""
    return {path.name: path.read_bytes() for path in tiny("vit_gpt2").iterdir()}


def _options(model: str) -> CaptionOptions:
    return CaptionOptions(model=model, device="cpu", dtype="float32")


def _error(model: str) -> CaptionerError:
    with pytest.raises(CaptionerError) as raised:
        identify(_options(model))
    said = f"{raised.value} {raised.value.hint}"
    assert raised.value.hint
    assert "\n" not in said
    assert TOKEN not in said
    return raised.value


def test_a_revision_becomes_a_commit_and_loads(hub: FakeHub, files: dict[str, bytes]) -> None:
    hub.repos[NAME] = {"main": files, "v1": {**files, "extra.json": b"{}"}}
    main, tagged = identify(_options(NAME)), identify(_options(f"{NAME}@v1"))
    assert (main.model, main.revision) == (NAME, hub.commit(NAME, "main"))
    assert (tagged.model, tagged.revision) == (NAME, hub.commit(NAME, "v1"))
    captioner = load_captioner(_options(NAME))
    captioner.close()
    assert captioner.identity == main
    assert identify(_options(f"{NAME}@{main.revision}")) == main


def test_a_trained_video_captioner_is_found_by_its_revision(hub: FakeHub, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "trained", clip_frames=6)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repos[NAME] = {"main": {}, "v1": files}
    found = introduce(_options(f"video:{NAME}@v1"))
    assert (found.identity.model, found.identity.revision) == (NAME, hub.commit(NAME, "v1"))
    assert found.wanted_frames.count == 6
    captioner = load_captioner(_options(f"video:{NAME}@v1"))
    captioner.close()
    assert captioner.identity == found.identity
    assert f"--model video:{NAME}" in str(_error(f"video:{NAME}"))


def test_a_cached_model_needs_no_hub(
    hub: FakeHub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos[NAME] = {"main": files}
    captioner = load_captioner(_options(NAME))
    captioner.close()
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    offline = load_captioner(_options(NAME))
    offline.close()
    assert offline.identity == captioner.identity


def test_the_hubs_own_conversion_stands_in_for_pickled_weights(
    hub: FakeHub, files: dict[str, bytes]
) -> None:
    weights = files.pop("model.safetensors")
    pickled = {**files, "pytorch_model.bin": b"pickled"}
    hub.repos[NAME] = {
        "main": pickled,
        "refs/pr/1": {**pickled, "model.safetensors": b"from somebody"},
        "refs/pr/2": {**pickled, "pytorch_model.bin": b"older", "model.safetensors": weights},
        "refs/pr/3": {**pickled, "model.safetensors": weights, "converted.json": b"{}"},
    }
    assert "pickled" in str(_error(NAME))
    hub.pulls = [
        {"num": 1, "author": {"name": "somebody"}},
        {"num": 2, "author": {"name": "SFconvertbot"}},
    ]
    assert "refs/pr/N" in (_error(NAME).hint or "")
    hub.pulls.append({"num": 3, "author": {"name": "SFconvertbot"}})
    captioner = load_captioner(_options(NAME))
    captioner.close()
    assert captioner.identity.revision == hub.commit(NAME, "refs/pr/3")
    assert "pickled" in str(_error(f"{NAME}@main")), "a revision that is asked for is the one"


def test_no_such_model(hub: FakeHub) -> None:
    assert "no such model" in str(_error("no/such"))


def test_no_such_revision(hub: FakeHub, files: dict[str, bytes]) -> None:
    hub.repos[NAME] = {"main": files}
    assert f"{NAME}@v9: no such revision" in str(_error(f"{NAME}@v9"))


def test_a_repository_that_is_no_model(hub: FakeHub) -> None:
    hub.repos[NAME] = {"main": {"README.md": b"hello"}}
    assert "no config.json" in str(_error(NAME))


def test_access_that_is_not_granted(hub: FakeHub) -> None:
    hub.errors = {"gated/model": (403, "GatedRepo"), "private/model": (401, "")}
    assert "gated" in str(_error("gated/model"))
    assert "hf auth login" in (_error("private/model").hint or "")


@pytest.mark.parametrize("offline", [True, False])
def test_the_default_where_the_hub_is_out_of_reach(
    offline: bool, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda s: None))
    hub.close()
    error = _error(DEFAULT_MODEL)
    assert str(error).startswith("the default captioner")
    assert "--model PATH" in (error.hint or "")
    assert "pseudolabel demo" in (error.hint or "")


def test_a_name_that_can_be_none(hub: FakeHub) -> None:
    assert "neither a folder nor a name" in str(_error("what is this?"))
