"""A server on the loopback that speaks OpenAI's chat completions, or fails as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[dict[str, Any], int], "tuple[int, Any] | None"]


class ChatServer:
    """Says of each request's body what it is told to, unless a script answers first.

    A script's answer is a status and a body; a body of `"cut"` cuts the connection, `"hang"`
    answers when the server is closed.
    """

    def __init__(self, say: Callable[[dict[str, Any]], str]) -> None:
        self.say = say
        self.script: Script = lambda body, attempt: None
        self.models = ["tiny-vl"]
        self.logprobs, self.most_choices, self.finish = True, 100, "stop"
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.attempts: dict[str, int] = {}
        self.in_flight = self.most_in_flight = 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                data = [{"id": name} for name in server.models]
                self.reply(200, {"object": "list", "data": data})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.keys.add(self.headers["Authorization"])
                with server.lock:
                    server.in_flight += 1
                    server.most_in_flight = max(server.most_in_flight, server.in_flight)
                    server.bodies.append(body)
                    asked = json.dumps(body["messages"])
                    attempt = server.attempts[asked] = server.attempts.get(asked, 0) + 1
                status, answer = server.script(body, attempt) or (200, server.answer(body))
                with server.lock:
                    server.in_flight -= 1
                self.reply(status, answer)

            def reply(self, status: int, answer: Any) -> None:
                if answer == "hang":
                    server.closing.wait()
                if answer in ("cut", "hang"):
                    self.close_connection = True
                    return
                content = (
                    answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                )
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        count = min(body.get("n", 1), self.most_choices)
        choice: dict[str, Any] = {"message": {"content": self.say(body)}}
        tokens = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}
        has_logprobs = self.logprobs and body.get("logprobs")
        choice |= {"finish_reason": self.finish, "logprobs": tokens if has_logprobs else None}
        return {"choices": [choice] * count}

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
