"""Captioners behind a server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pseudolabel.captioners.answers import Answer, check_some_worked
from pseudolabel.captioners.chat import ChatClient, FrameRefusedError
from pseudolabel.captioners.identity import describe_decoding
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.prompts import CHAT_PROMPT
from pseudolabel.captioners.protocol import CaptionerIdentity, Refusal
from pseudolabel.captioners.sampling import row_keys
from pseudolabel.captioners.sources import SERVER
from pseudolabel.captioners.threads import map_in_threads
from pseudolabel.errors import CaptionerError
from pseudolabel.records import Caption, Frame, FrameSize

_LONGEST_EDGE_PX = 1024
_JPEG_QUALITY = 95  # close to lossless; a PNG is five times as long to encode and to send
_BATCHES_AHEAD = 4  # frames a call for each request in flight: one slow answer stalls no other


@dataclass(frozen=True, slots=True)
class ServerModel:
    """`server:URL#MODEL`, taken apart."""

    url: str  # may hold a user and a password: not for messages
    model: str

    @classmethod
    def find(cls, options: CaptionOptions) -> ServerModel:
        """The server and model named; a server of one model need not have it named.

        Raises:
            CaptionerError: If it is not a URL, or the server, when asked, has not one model.
        """
        url, _, model = options.model.removeprefix(SERVER).partition("#")
        if options.beams > 1:
            raise CaptionerError(
                f"--beams {options.beams}: a server samples or is greedy", hint="--beams 1"
            )
        if not model:
            model = _only_model(url, options.timeout_s)
        return cls(url, model)

    def identity(self, options: CaptionOptions) -> CaptionerIdentity:
        """Who captions: the model's name, without the server's address or keys."""
        return CaptionerIdentity(
            model=self.model,
            revision="",
            backend="server",
            architecture="",
            prompt=options.prompt or CHAT_PROMPT,
            decoding=describe_decoding(options),
            max_new_tokens=options.max_new_tokens,
            dtype="",
        )


def _only_model(url: str, timeout_s: float) -> str:
    client = ChatClient(url, connections=1, timeout_s=timeout_s)
    try:
        listed = client.get("models")
        names = [str(entry["id"]) for entry in listed["data"]]
    except FrameRefusedError as error:
        raise CaptionerError(
            f"server {client.shown_url} lists no models ({error})",
            hint="name it: --model server:URL#MODEL",
        ) from error
    except (KeyError, TypeError):
        raise client.not_the_protocol() from None
    finally:
        client.close()
    if len(names) != 1:
        raise CaptionerError(
            f"server {client.shown_url} has {len(names)} models",
            hint=f"--model server:URL#MODEL, where MODEL is one of: {', '.join(names[:20])}",
        )
    return names[0]


class ServerCaptioner:
    """Asks a server for each frame, many at a time; use `connect`.

    A sampled text depends on the seed that is sent, one for each frame; whether the same seed
    gives the same text again is the server's word. So is `mean_logprob`, over the tokens that it
    reports.

    Args:
        server: Where, and which model.
        options: How to decode; prompt, concurrency, time-out.
        backoff_s: Wait before a second try.
    """

    def __init__(
        self, server: ServerModel, options: CaptionOptions, *, backoff_s: float = 0.5
    ) -> None:
        self._server, self._options = server, options
        self._client = ChatClient(
            server.url,
            connections=options.concurrency,
            timeout_s=options.timeout_s,
            backoff_s=backoff_s,
        )
        self._takes_extras: bool | None = None  # logprobs and n; None: not known yet
        self._has_worked = False

    @classmethod
    def connect(cls, options: CaptionOptions) -> ServerCaptioner:
        """The captioner that `server:URL#MODEL` names; sends nothing yet if MODEL is there.

        Raises:
            CaptionerError: As `ServerModel.find`.
        """
        return cls(ServerModel.find(options), options)

    @property
    def identity(self) -> CaptionerIdentity:
        """Who it is, for the run's manifest."""
        return self._server.identity(self._options)

    @property
    def frame_size(self) -> FrameSize:
        """Inside 1024 x 1024: enough for a sentence, and a tenth of a large frame's bytes."""
        return FrameSize(_LONGEST_EDGE_PX, _LONGEST_EDGE_PX, "contain")

    @property
    def batch_size(self) -> int:
        """Several frames for each request in flight."""
        return _BATCHES_AHEAD * self._options.concurrency

    @property
    def largest_batch(self) -> int:
        """The batch size, which does not change."""
        return self.batch_size

    def caption(self, frames: Sequence[Frame]) -> list[Answer]:
        """Caption frames, in order; one `Caption` a sample.

        Raises:
            CaptionerError: If the server is gone, overloaded for long, or refuses access.
        """
        try:
            answers = map_in_threads(self._answer, frames, threads=self._options.concurrency)
        except BaseException:
            self._client.stop()
            raise
        self._has_worked = check_some_worked(
            answers, has_worked=self._has_worked, model=self._server.model
        )
        return answers

    def close(self) -> None:
        """Close the connections; a request that hangs holds this up for a moment only."""
        self._client.close()

    def _answer(self, frame: Frame) -> Answer:
        image = _data_url(frame)
        captions: list[Caption] = []
        try:
            while len(captions) < self._options.samples:
                captions += self._some_captions(frame, image, taken=len(captions))
        except FrameRefusedError as error:
            return Refusal(str(error))
        return tuple(captions[: self._options.samples])

    def _some_captions(self, frame: Frame, image: str, *, taken: int) -> list[Caption]:
        """At least one caption, as many as the server gives at once."""
        body = self._body(frame, image, taken)
        extras: dict[str, Any] = {"logprobs": True}
        if self._options.samples - taken > 1:
            extras["n"] = self._options.samples - taken
        if self._takes_extras is not False:
            try:
                answer = self._client.post("chat/completions", {**body, **extras})
            except FrameRefusedError as error:
                if self._takes_extras or error.status not in (400, 422):
                    raise
            else:
                self._takes_extras = True
                return self._read(answer)
        # If this is refused as well, it was the frame; if not, it was what we asked on top.
        captions = self._read(self._client.post("chat/completions", body))
        self._takes_extras = False
        return captions

    def _body(self, frame: Frame, image: str, taken: int) -> dict[str, Any]:
        options = self._options
        body: dict[str, Any] = {
            "model": self._server.model,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": image}},
                        {"type": "text", "text": self.identity.prompt},
                    ],
                }
            ],
            "max_tokens": options.max_new_tokens,
            "temperature": 0,
        }
        if options.is_sampling:
            key = row_keys([frame], samples=taken + 1, seed=options.seed)[-1]
            body |= {
                "temperature": options.temperature,
                "top_p": options.top_p,
                "seed": key & 0x7FFFFFFF,  # servers take a positive int32
            }
        return body

    def _read(self, answer: Any) -> list[Caption]:
        try:
            captions = [_read_choice(choice) for choice in answer["choices"]]
        except (KeyError, TypeError, ValueError):
            raise self._client.not_the_protocol() from None
        if not captions:
            raise FrameRefusedError("the server's answer has no choices")
        return captions


def _read_choice(choice: dict[str, Any]) -> Caption:
    text, reason = choice["message"]["content"], choice.get("finish_reason")
    if reason == "content_filter" or not isinstance(text, str):
        raise FrameRefusedError(f"no text (finish_reason {reason})")
    text = text.encode("utf-8", "replace").decode()  # a limit may cut a surrogate pair in two
    tokens = (choice.get("logprobs") or {}).get("content") or []
    logprobs = [float(token["logprob"]) for token in tokens]
    return Caption(
        " ".join(text.split()),
        mean_logprob=min(sum(logprobs) / len(logprobs), 0.0) if logprobs else None,
        truncated={"length": True, "stop": False}.get(reason or ""),
    )


def _data_url(frame: Frame) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame.pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
