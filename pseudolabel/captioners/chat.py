"""HTTP to an OpenAI-compatible server: tried again by status, told apart by status."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import httpx2

_TRIES = 6
_LONGEST_WAIT_S = 60.0
_CLOSING_S = 2.0
_TRANSIENT = frozenset({408, 409, 425, 429})  # and every 5xx
_OVERLOADED = frozenset({429, 503})
_OF_THIS_FRAME = frozenset({400, 413, 415, 422})
KEY_VARIABLES = ("PSEUDOLABEL_SERVER_KEY", "OPENAI_API_KEY")


class FrameRefusedError(Exception):
    """The server has no answer to one request, while it answers others."""

    def __init__(self, detail: str, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class UnansweredError(CaptionerError):
    """The server has answered nothing lately: it is out of reach, fails, or is overloaded."""


class ChatClient:
    """One server, many threads.

    Args:
        url: Base URL, such as `http://host:8000/v1`; a user and password in it are sent, and
            never shown.
        connections: Requests in flight.
        timeout_s: Of one request.
        backoff_s: Wait before the second try; doubles with each, and is drawn from its half up.
    """

    def __init__(
        self, url: str, *, connections: int, timeout_s: float, backoff_s: float = 0.5
    ) -> None:
        import httpx2

        parsed = _parse(url)
        self.shown_url = str(parsed.copy_with(username=None, password=None, query=None))
        key = next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)
        self._base = str(parsed).rstrip("/")
        self._backoff_s = backoff_s
        self._stopped = threading.Event()
        self._landing, self._in_flight = threading.Condition(), 0
        self._answers = 0  # so far: a server that answers others is not gone
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_s,
            limits=httpx2.Limits(max_connections=connections),
        )

    def get(self, path: str) -> Any:
        """JSON of `GET base/path`; raises as `post` does."""
        return self._send("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """JSON that the server answers to `body`; waits and tries again where that can help.

        Raises:
            FrameRefusedError: If the server will not answer this one request.
            CaptionerError: If it cannot be reached, refuses access, or does not speak the protocol.
        """
        return self._send("POST", path, body)

    def stop(self) -> None:
        """Let threads that wait for another try give up."""
        self._stopped.set()

    def close(self) -> None:
        """Give up, and close the connections; waits a moment for answers that are on their way."""
        self.stop()
        with self._landing:
            self._landing.wait_for(lambda: self._in_flight == 0, timeout=_CLOSING_S)
        self._client.close()

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        with self._landing:
            self._in_flight += 1
        try:
            return self._try(method, path, body)
        finally:
            with self._landing:
                self._in_flight -= 1
                self._landing.notify_all()

    def _try(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        import httpx2

        answers_before, failure = self._answers, ""
        status: int | None = None
        for attempt in range(_TRIES):
            asked_wait = None
            try:
                response = self._client.request(method, f"{self._base}/{path}", json=body)
            except httpx2.TransportError as error:
                status, failure = None, type(error).__name__
            else:
                status = response.status_code
                if response.is_success:
                    self._answers += 1
                    return self._json(response)
                failure = f"{status}: {_message(response)}"
                if status < 500 and status not in _TRANSIENT:
                    raise self._refused(status, failure)
                asked_wait = _retry_after_s(response)
            if attempt + 1 < _TRIES and self._stopped.wait(self._wait_s(attempt, asked_wait)):
                break
        raise self._gave_up(status, failure, alive=self._answers > answers_before)

    def _wait_s(self, attempt: int, asked_wait_s: float | None) -> float:
        if asked_wait_s is not None:
            return min(asked_wait_s, _LONGEST_WAIT_S)
        # Drawn at random, so that threads that failed together do not come back together.
        wait_s: float = min(self._backoff_s * 2**attempt, _LONGEST_WAIT_S)
        return wait_s * random.uniform(0.5, 1)

    def _refused(self, status: int, failure: str) -> Exception:
        if status in _OF_THIS_FRAME:
            return FrameRefusedError(failure, status=status)
        hint = {
            401: f"a key in {KEY_VARIABLES[0]}",
            403: f"a key in {KEY_VARIABLES[0]} that may use this model",
            404: "the base URL usually ends in /v1; the model's name follows a #",
        }.get(status, "see the server's log")
        return CaptionerError(f"server {self.shown_url} answered {failure}", hint=hint)

    def _gave_up(self, status: int | None, failure: str, *, alive: bool) -> Exception:
        if alive and status not in _OVERLOADED:
            return FrameRefusedError(f"{_TRIES} tries, the last one: {failure}", status=status)
        if status in _OVERLOADED:
            what, hint = "is overloaded", "a smaller --concurrency"
        elif status is None:
            what, hint = "cannot be reached", "start it, check the URL, or a longer --timeout"
        else:
            what, hint = "fails", "see the server's log"
        return UnansweredError(
            f"server {self.shown_url} {what} ({_TRIES} tries, the last one: {failure})", hint=hint
        )

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise self.not_the_protocol() from None

    def not_the_protocol(self) -> CaptionerError:
        """What to raise at an answer that makes no sense."""
        return CaptionerError(
            f"server {self.shown_url} does not answer as an OpenAI-compatible server does",
            hint="the base URL usually ends in /v1",
        )


def _parse(url: str) -> httpx2.URL:
    import httpx2

    hint = "--model server:http://HOST:8000/v1#MODEL"
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        # The text may hold a password, so it is not repeated.
        raise CaptionerError("--model server:URL: not an http or https URL", hint=hint)
    return parsed


def _message(response: httpx2.Response) -> str:
    """The server's own words, in one short line."""
    try:
        body = response.json()
    except ValueError:
        body = response.text
    for name in ("error", "message", "detail"):
        if isinstance(body, dict) and name in body:
            body = body[name]
    return " ".join(str(body).split())[:200] or response.reason_phrase


def _retry_after_s(response: httpx2.Response) -> float | None:
    """What `Retry-After` asks for, in seconds: a number, or a date."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
