"""An S3-compatible object store on the loopback interface: moto's server, in a thread.

It can be stopped and started again without losing what it holds, and a test can step into any
request: to look at it, to hold it up, or to end the process that sent it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from fsspec import get_filesystem_class
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import S3Backend, s3_backends
from werkzeug.serving import BaseWSGIServer, make_server

KEY_ID, SECRET = "store-key-id", "store-secret-key"
Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for; `key` is "bucket/name", `query` as it was sent."""

    method: str
    key: str
    query: str
    environ: Environ = field(repr=False, compare=False)

    def asked_bytes(self) -> int:
        """How many bytes of a file it wants; without a range all, which counts as very many."""
        wanted = self.environ.get("HTTP_RANGE", f"bytes=0-{sys.maxsize}")
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        return int(last) - int(first) + 1

    def before_byte(self, number: int, step_in: Callable[[], object]) -> None:
        """Call `step_in` once, when the store has read so many bytes of the body."""
        self.environ["wsgi.input"] = _Body(self.environ["wsgi.input"], number, step_in)


Answer = tuple[int, str]  # a status, and S3's code for what is wrong
OnRequest = Callable[[Request], Answer | None]


class ObjectStore:
    """A context manager; at most one at a time.

    Attributes:
        requests: What was asked for so far.
        on_request: Called with each request before it is answered; may answer itself.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.on_request: OnRequest | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    def __enter__(self) -> ObjectStore:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._backend().reset()

    @property
    def endpoint(self) -> str:
        """Its address; the same after it was stopped and started again."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, if it does not."""
        if self._server is None:
            self._server = make_server(
                "127.0.0.1", self._port, self._answer, threaded=True, request_handler=_Quiet
            )
            self._port = self._server.server_port
            serve = partial(self._server.serve_forever, poll_interval=0.02)
            self._thread = threading.Thread(target=serve, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Refuse connections; what is stored stays."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self._backend().create_bucket(name, "us-east-1")

    def names(self, folder: str) -> list[str]:
        """What there is in a folder "bucket/a/b", as the store itself knows it."""
        bucket, _, prefix = folder.partition("/")
        keys: Iterable[str] = self._backend().buckets[bucket].keys
        return sorted(key.removeprefix(f"{prefix}/") for key in keys if key.startswith(prefix))

    def unfinished_uploads(self, bucket: str) -> int:
        """Uploads in several parts that nobody completed or gave up."""
        return len(self._backend().buckets[bucket].multiparts)

    def lose_answer(self, request: Request) -> Answer:
        """Do as a request says, and answer that something went wrong inside."""
        list(self._app(request.environ, lambda *_: None))
        return 500, "InternalError"

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Have S3's clients talk to it: here, and in processes that are started from here."""
        get_filesystem_class("s3").clear_instance_cache()  # one keeps the address it began with
        for name, value in self.environment().items():
            patch.setenv(name, value)

    def environment(self) -> dict[str, str]:
        """The variables that lead S3's clients here, and to no credentials of the user's."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",  # the client's own patience would only take time
        }

    def _backend(self) -> S3Backend:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def _answer(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        key = environ["PATH_INFO"].lstrip("/")
        request = Request(environ["REQUEST_METHOD"], key, environ["QUERY_STRING"], environ)
        self.requests.append(request)
        answer = self.on_request(request) if self.on_request is not None else None
        if answer is None:
            answered: Iterable[bytes] = self._app(environ, start_response)
            return answered
        status, code = answer
        body = f"<Error><Code>{code}</Code><Message>{code} it is</Message></Error>".encode()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        start_response(f"{status} {code}", headers)
        return [] if request.method == "HEAD" else [body]


class _Quiet(MotoRequestHandler):
    """Says nothing of requests."""

    def log(self, type: str, message: str, *args: object) -> None:
        return


class _Body:
    """A request's body, with something that happens in the middle of it."""

    def __init__(self, body: Any, number: int, step_in: Callable[[], object]) -> None:
        self._body, self._left, self._step_in = body, number, step_in

    def read(self, size: int = -1) -> bytes:
        before = self._left
        data: bytes = self._body.read(size if before <= 0 else min(size, before))
        self._left -= len(data)
        if before > 0 >= self._left:
            self._step_in()
        return data

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self._body.readline(size)
        return line

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
