"""Language models behind a server that speaks OpenAI's chat completions."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pseudolabel.captioners.chat import ChatClient, FrameRefusedError, UnansweredError
from pseudolabel.captioners.language_protocol import (
    FLAG,
    WHAT,
    LanguageModelIdentity,
    LanguageModelOptions,
    Written,
    check_some_written,
)
from pseudolabel.captioners.prompt_tokens import without_thoughts
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captioners.refusals import asked_by
from pseudolabel.captioners.server import ServerModel
from pseudolabel.captioners.threads import map_in_threads

GONE_AFTER = 32  # prompts in a row, each tried several times, without any answer
# What vLLM, SGLang and llama.cpp hand to the chat template, so that a model does not think aloud.
_EXTRAS = {"chat_template_kwargs": {"enable_thinking": False}}


def find_server(options: LanguageModelOptions) -> tuple[ServerModel, LanguageModelIdentity]:
    """The server and model that `server:URL#MODEL` names, and who writes.

    Raises:
        CaptionerError: If it is not a URL, or the server, when asked, has not one model.
    """
    with asked_by(FLAG, WHAT):
        server = ServerModel.find(options.as_captioner())
    identity = LanguageModelIdentity(
        model=server.model,
        revision="",
        backend="server",
        architecture="",
        dtype="",
        max_new_tokens=options.max_new_tokens,
    )
    return server, identity


class ServerLanguageModel:
    """Asks a server for each prompt, many at a time; use `connect`.

    A prompt that the server never answers is refused, once the server has answered another;
    before that, and after many in a row, the server is gone.

    Args:
        options: Which server and model; concurrency, time-out.
        backoff_s: Wait before a second try.
    """

    def __init__(self, options: LanguageModelOptions, *, backoff_s: float = 0.5) -> None:
        self._server, self.identity = find_server(options)
        self._options = options
        with asked_by(FLAG, WHAT):
            self._client = ChatClient(
                self._server.url,
                connections=options.concurrency,
                timeout_s=options.timeout_s,
                backoff_s=backoff_s,
            )
        self._takes_extras: bool | None = None  # None: not known yet
        self._lock, self._has_worked, self._unanswered = threading.Lock(), False, 0

    @classmethod
    def connect(cls, options: LanguageModelOptions) -> ServerLanguageModel:
        """The model that `server:URL#MODEL` names; sends nothing yet if MODEL is there.

        Raises:
            CaptionerError: As `find_server`.
        """
        return cls(options)

    @property
    def batch_size(self) -> int:
        """The requests in flight, of one prompt each."""
        return self._options.concurrency

    def write(self, prompts: Sequence[str]) -> list[Written | Refusal]:
        """Answer prompts, in order.

        Raises:
            CaptionerError: If the server is gone, refuses access, or every prompt.
        """
        try:
            with asked_by(FLAG, WHAT):
                answers = map_in_threads(self._answer, prompts, threads=self._options.concurrency)
        except BaseException:
            self._client.stop()
            raise
        self._has_worked = check_some_written(
            answers, has_worked=self._has_worked, model=self._server.model
        )
        return answers

    def close(self) -> None:
        """Close the connections; a request that hangs holds this up for a moment only."""
        self._client.close()

    def _answer(self, prompt: str) -> Written | Refusal:
        try:
            written = self._read(self._ask(prompt))
        except UnansweredError as error:
            with self._lock:
                self._unanswered += 1
                if not self._has_worked or self._unanswered >= GONE_AFTER:
                    raise
            return Refusal(str(error))
        except FrameRefusedError as error:
            return Refusal(str(error))
        with self._lock:
            self._has_worked, self._unanswered = True, 0
        return written

    def _ask(self, prompt: str) -> Any:
        body: dict[str, Any] = {
            "model": self._server.model,
            # A lone surrogate, which a broken transcript may hold, is no JSON.
            "messages": [{"role": "user", "content": prompt.encode("utf-8", "replace").decode()}],
            "max_tokens": self._options.max_new_tokens,
            "temperature": 0,
        }
        if self._takes_extras is not False:
            try:
                answer = self._client.post("chat/completions", {**body, **_EXTRAS})
            except FrameRefusedError as error:
                if self._takes_extras or error.status not in (400, 422):
                    raise
            else:
                self._takes_extras = True
                return answer
        # If this is refused as well, it was the prompt; if not, it was what we asked on top.
        answer = self._client.post("chat/completions", body)
        self._takes_extras = False
        return answer

    def _read(self, answer: Any) -> Written:
        try:
            choice = answer["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason")
            text, declined = message.get("content") or "", message.get("refusal")
        except IndexError:
            raise FrameRefusedError("the server's answer has no choices") from None
        except (KeyError, TypeError, AttributeError):
            raise self._client.not_the_protocol() from None
        if not isinstance(text, str):
            raise self._client.not_the_protocol()
        if reason == "content_filter" or declined:
            raise FrameRefusedError(f"declined: {declined or reason}"[:200])
        text = text.encode("utf-8", "replace").decode()  # a limit may cut a surrogate pair in two
        return Written(without_thoughts(text).strip(), truncated=reason == "length")
