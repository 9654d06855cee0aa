"""An HTTP server on the loopback whose connections fail on demand; it knows nothing of a hub."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import sys
import tempfile
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit

_PIECE_BYTES = 1 << 16
_TRICKLE_PIECES = 8
Hook = Callable[[str, str], None]


class DisconnectError(Exception):
    """Closes a connection without an answer; a hook may raise it too."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, once, with the next request of this method whose path holds `fragment`."""

    method: str
    fragment: str
    kind: Literal["fail", "cut", "slow", "lose"]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.5
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request, on the disk: whoever wants to keep it renames the file."""

    path: Path
    size: int
    sha256: str

    def read(self) -> bytes:
        return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole: `path` is as sent, without its query."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Message
    body: Body


@dataclass(frozen=True, slots=True)
class FileSpan:
    """Bytes of a file to answer with."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; its length is added to the headers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | FileSpan = b""

    @classmethod
    def json(
        cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Self:
        """A JSON answer."""
        headers = {"Content-Type": "application/json", **(headers or {})}
        return cls(status, headers, json.dumps(value).encode())

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.size

    def pieces(self, piece_bytes: int) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            for start in range(0, len(self.content), piece_bytes):
                yield self.content[start : start + piece_bytes]
            return
        left = self.content.size
        with self.content.path.open("rb") as file:
            file.seek(self.content.start)
            while left:
                piece = file.read(min(left, piece_bytes))
                left -= len(piece)
                yield piece


class FaultyServer(ABC):
    """Serves `answer` from threads, one request at a time, and logs every call.

    `on_call(method, path)` runs before a request has any effect, `on_answer(method, path)` when it
    had its effect and the client does not know yet. Both may use the server, take their time,
    kill the client or raise `DisconnectError`; clients upload from several threads, so they may
    run at the same time.

    Attributes:
        url: Where it listens.
        calls: `(method, path with query)` of each request, in order of arrival.
        faults: Those still to come; an empty list says that every one of them happened.
        folder: A temporary folder, gone when the server is closed.
    """

    def __init__(self, port: int = 0) -> None:
        self.calls: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.on_call: Hook | None = None
        self.on_answer: Hook | None = None
        self._lock = threading.RLock()
        self._temporary = tempfile.TemporaryDirectory(prefix="loopback-")
        self.folder = Path(self._temporary.name)
        self._http = _Http(self, port)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()
        self._temporary.cleanup()

    def wait(self) -> None:
        """Serve until interrupted."""
        self._thread.join()

    def fail(
        self,
        method: str,
        fragment: str,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer with a status, the request having no effect."""
        self.faults += [Fault(method, fragment, "fail", status, headers or {})] * times

    def cut(self, method: str, fragment: str, *, at: float = 0.5, times: int = 1) -> None:
        """Close the connection at a share of an upload's body, or of a download's answer."""
        self.faults += [Fault(method, fragment, "cut", at=at)] * times

    def slow(self, method: str, fragment: str, *, seconds: float) -> None:
        """Let the body of an upload, or of a download's answer, take this long."""
        self.faults.append(Fault(method, fragment, "slow", seconds=seconds))

    def lose_answer(self, method: str, fragment: str, *, status: int | None = None) -> None:
        """Do what is asked, then close the connection, or answer as a gateway with `status`."""
        self.faults.append(Fault(method, fragment, "lose", status))

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """The answer to a request; called by one thread at a time."""

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Carry one request through the hooks and its fault, if it has one."""
        method, path = handler.command, handler.path
        fault = self._log(method, path)
        if self.on_call:
            self.on_call(method, path)
        body = self._receive(handler, fault)
        try:
            reply = self._reply(handler, body, fault)
        finally:
            body.path.unlink(missing_ok=True)
        if self.on_answer:
            self.on_answer(method, path)
        _send(handler, reply, fault)

    def _log(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.calls.append((method, path))
            for fault in self.faults:
                if fault.method == method and fault.fragment in path:
                    self.faults.remove(fault)
                    return fault
        return None

    def _reply(self, handler: BaseHTTPRequestHandler, body: Body, fault: Fault | None) -> Reply:
        if fault and fault.kind == "fail":
            return _fault_reply(fault)
        url = urlsplit(handler.path)
        query = parse_qs(url.query, keep_blank_values=True)
        request = Request(handler.command, url.path, query, handler.headers, body)
        try:
            with self._lock:
                reply = self.answer(request)
        except Exception:
            # Not 500: clients would try again, and hide a mistake of this server for a minute.
            return Reply(501, {"Content-Type": "text/plain"}, traceback.format_exc().encode())
        if fault and fault.kind == "lose":
            return _fault_reply(fault)
        return reply

    def _receive(self, handler: BaseHTTPRequestHandler, fault: Fault | None) -> Body:
        total = int(handler.headers.get("Content-Length") or 0)
        is_upload = handler.command in ("POST", "PUT")
        pace = _Pace(fault if is_upload else None, total)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            for piece in _body_pieces(handler, total, pace.piece_bytes):
                pace.step(len(piece))
                digest.update(piece)
                size += file.write(piece)
        return Body(Path(file.name), size, digest.hexdigest())


class _Pace:
    """Cuts or slows a body as it passes."""

    def __init__(self, fault: Fault | None, total: int) -> None:
        self._passed, self._limit, self._seconds_a_byte = 0, float("inf"), 0.0
        self.piece_bytes = _PIECE_BYTES
        if fault and fault.kind in ("cut", "slow"):
            self.piece_bytes = min(_PIECE_BYTES, max(1, total // _TRICKLE_PIECES))
            self._seconds_a_byte = fault.seconds / max(1, total)
        if fault and fault.kind == "cut":
            self._limit = total * fault.at

    def step(self, size: int) -> None:
        self._passed += size
        if self._passed > self._limit:
            raise DisconnectError
        if self._seconds_a_byte:
            time.sleep(self._seconds_a_byte * size)


def _body_pieces(handler: BaseHTTPRequestHandler, total: int, piece_bytes: int) -> Iterator[bytes]:
    if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
        while size := int(handler.rfile.readline().split(b";")[0] or b"-1", 16):
            yield _read(handler, size)
            handler.rfile.readline()
        handler.rfile.readline()
        return
    while total:
        piece = _read(handler, min(total, piece_bytes))
        total -= len(piece)
        yield piece


def _read(handler: BaseHTTPRequestHandler, size: int) -> bytes:
    piece = handler.rfile.read(size) if size > 0 else b""
    if len(piece) != size:
        raise DisconnectError("the client went away in the middle of a body")
    return piece


def _fault_reply(fault: Fault) -> Reply:
    if fault.status is None:
        raise DisconnectError
    return Reply(fault.status, fault.headers, b'{"error": "a fault on demand"}')


def _send(handler: BaseHTTPRequestHandler, reply: Reply, fault: Fault | None) -> None:
    handler.send_response(reply.status)
    for name, value in {**reply.headers, "Content-Length": str(reply.size)}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "HEAD":
        return
    pace = _Pace(fault if handler.command == "GET" else None, reply.size)
    for piece in reply.pieces(pace.piece_bytes):
        pace.step(len(piece))
        handler.wfile.write(piece)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms between headers and body

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        assert isinstance(self.server, _Http)
        try:
            self.server.owner.serve(self)
        except (DisconnectError, ConnectionError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  # http.server's names


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # server_close() then waits for them
    request_queue_size = 64

    def __init__(self, owner: FaultyServer, port: int) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def hang_up(self) -> None:
        """Close what clients keep alive: else a closed hub goes on answering them."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
