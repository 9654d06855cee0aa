"""The server backend, against a real server on the loopback that speaks the protocol, or fails."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loopback_chat import ChatServer
from pseudolabel.captioners.load import identify, load_captioner
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captioners.server import ServerCaptioner, ServerModel
from pseudolabel.errors import CaptionerError
from pseudolabel.records import Caption, Frame
from tiny_models import noise_frame

SECRET = "sk-secret"


def describe(body: dict[str, Any]) -> str:
    return f" {color_name(body)}\n seed {body.get('seed')} "


def _image_of(body: dict[str, Any]) -> str:
    url: str = body["messages"][0]["content"][0]["image_url"]["url"]
    return url


def color_name(body: dict[str, Any]) -> str:
    encoded = _image_of(body).removeprefix("data:image/jpeg;base64,")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    return f"color {round(pixels.mean())}"


def plain_frame(level: int) -> Frame:
    frame = noise_frame(level, height=8, width=8)
    frame.pixels[:] = level
    return frame


FRAMES = [plain_frame(level) for level in range(10, 250, 20)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("PSEUDOLABEL_SERVER_KEY", raising=False)
    made = ChatServer(describe)
    yield made
    made.close()


@pytest.fixture
def connect(server: ChatServer) -> Iterator[Callable[..., ServerCaptioner]]:
    opened: list[ServerCaptioner] = []

    def open_one(**settings: Any) -> ServerCaptioner:
        options = CaptionOptions(model=f"server:{server.url}#tiny-vl", **settings)
        opened.append(ServerCaptioner(ServerModel.find(options), options, backoff_s=0.001))
        return opened[-1]

    yield open_one
    for captioner in opened:
        captioner.close()


Connect = Callable[..., ServerCaptioner]


def _texts(captioner: ServerCaptioner, frames: list[Frame]) -> list[str]:
    answers = captioner.caption(frames)
    return [
        answer.detail if isinstance(answer, Refusal) else answer[0].text.split(" seed")[0]
        for answer in answers
    ]


WANTED = [f"color {level}" for level in range(10, 250, 20)]


def test_frames_come_back_in_order(server: ChatServer, connect: Connect) -> None:
    captioner = connect(concurrency=4)
    assert _texts(captioner, FRAMES) == WANTED
    assert server.most_in_flight <= 4
    assert captioner.batch_size == 16
    ((caption,),) = [a for a in captioner.caption(FRAMES[:1]) if not isinstance(a, Refusal)]
    assert caption == Caption("color 10 seed None", mean_logprob=-1.0, truncated=False)
    body = server.bodies[-1]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("tiny-vl", 0, 30)
    assert body["messages"][0]["content"][1]["text"] == captioner.identity.prompt


def test_an_answer_cut_by_the_limit_says_so(server: ChatServer, connect: Connect) -> None:
    server.finish = "length"
    (answer,) = connect().caption(FRAMES[:1])
    assert not isinstance(answer, Refusal)
    assert answer[0].truncated is True


def test_half_a_surrogate_pair_is_no_text(server: ChatServer, connect: Connect) -> None:
    server.say = lambda _body: "a cat \ud83d"
    (answer,) = connect().caption(FRAMES[:1])
    assert not isinstance(answer, Refusal)
    assert answer[0].text == "a cat ?"


def test_samples_have_a_seed_of_their_frame(server: ChatServer, connect: Connect) -> None:
    captioner = connect(samples=3, seed=4)
    answers = captioner.caption(FRAMES)
    assert all(not isinstance(answer, Refusal) and len(answer) == 3 for answer in answers)
    assert {body["n"] for body in server.bodies} == {3}
    assert len({body["seed"] for body in server.bodies}) == len(FRAMES)
    assert captioner.caption(FRAMES[::-1]) == answers[::-1]
    server.most_choices = 1  # a server that ignores n is asked again, with other seeds
    (answer,) = captioner.caption(FRAMES[:1])
    assert not isinstance(answer, Refusal)
    assert len({caption.text for caption in answer}) == 3


def test_a_server_without_logprobs_is_asked_without(server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (
        (400, {"error": {"message": "unknown field logprobs"}}) if "logprobs" in body else None
    )
    captioner = connect(concurrency=1)
    answers = captioner.caption(FRAMES)
    assert all(not isinstance(a, Refusal) and a[0].mean_logprob is None for a in answers)
    assert sum("logprobs" in body for body in server.bodies) == 1, "asked for once only"


@pytest.mark.parametrize("fault", [(429, {}), (500, "oops"), (503, {}), (200, "cut")])
def test_what_passes_is_tried_again(
    fault: tuple[int, Any], server: ChatServer, connect: Connect
) -> None:
    server.script = lambda body, attempt: fault if attempt <= 2 else None
    assert _texts(connect(), FRAMES) == WANTED
    assert set(server.attempts.values()) == {3}


def test_a_request_that_hangs_is_tried_again(server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (200, "hang") if attempt == 1 else None
    assert _texts(connect(timeout_s=0.2), FRAMES[:3]) == WANTED[:3]


def test_one_refused_image_is_one_refusal(server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (
        (400, {"error": {"message": "image\nis bad"}}) if color_name(body) == WANTED[2] else None
    )
    texts = _texts(connect(), FRAMES)
    assert texts[2] == "400: image is bad"
    assert texts[:2] + texts[3:] == WANTED[:2] + WANTED[3:]


def test_one_image_that_always_fails_is_one_refusal(server: ChatServer, connect: Connect) -> None:
    gate = threading.Barrier(2, timeout=60)

    def script(body: dict[str, Any], attempt: int) -> tuple[int, Any] | None:
        if color_name(body) == WANTED[0]:
            if attempt == 1:
                gate.wait()
            return 500, "oops"
        if color_name(body) == WANTED[1]:
            gate.wait()  # answered while the other one fails
        return None

    server.script = script
    texts = _texts(connect(concurrency=2), FRAMES[:2])
    assert texts[1] == WANTED[1]
    assert texts[0].startswith("6 tries, the last one: 500")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "PSEUDOLABEL_SERVER_KEY"), (403, "may use"), (404, "/v1"), (503, "--concurrency")],
)
def test_what_concerns_every_frame_is_an_error(
    status: int, words: str, server: ChatServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDOLABEL_SERVER_KEY", SECRET)
    server.script = lambda body, attempt: (status, {"detail": "no"})
    with pytest.raises(CaptionerError, match=str(status)) as raised:
        connect().caption(FRAMES)
    assert words in (raised.value.hint or "")
    assert server.keys == {f"Bearer {SECRET}"}
    assert SECRET not in f"{raised.value}{raised.value.hint}"


def test_when_every_image_is_refused_it_is_an_error(server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (422, {"detail": "this model takes no images"})
    with pytest.raises(CaptionerError, match="takes no images"):
        connect().caption(FRAMES)


def test_another_kind_of_server(server: ChatServer, connect: Connect) -> None:
    for body in ("<html>", {"hello": 1}):
        server.script = lambda asked, attempt, body=body: (200, body)  # type: ignore[misc]
        with pytest.raises(CaptionerError, match="OpenAI-compatible"):
            connect().caption(FRAMES[:1])


def test_a_server_that_is_gone() -> None:
    gone = ChatServer(describe)
    gone.close()
    options = CaptionOptions(model=f"server:{gone.url.replace('//', '//me:pw@')}#m")
    captioner = ServerCaptioner(ServerModel.find(options), options, backoff_s=0.001)
    with pytest.raises(CaptionerError, match="cannot be reached") as raised:
        captioner.caption(FRAMES)
    captioner.close()
    assert "pw" not in f"{raised.value}{raised.value.hint}"


def test_the_only_model_need_not_be_named(server: ChatServer) -> None:
    options = CaptionOptions(model=f"server:{server.url}")
    captioner = load_captioner(options)
    captioner.close()
    assert captioner.identity == identify(options)
    assert captioner.identity.model == "tiny-vl"
    server.models.append("other")
    with pytest.raises(CaptionerError, match="has 2 models") as raised:
        identify(options)
    assert "tiny-vl, other" in (raised.value.hint or "")


def test_identity_names_no_address() -> None:
    options = CaptionOptions(model="server:http://me:pw@host:1/v1#org/model", samples=2)
    identity = identify(options)
    assert (identity.model, identity.backend) == ("org/model", "server")
    assert "host" not in repr(identity)


@pytest.mark.parametrize("url", ["", "host:8000/v1", "ftp://me:pw@host", "http://"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(CaptionerError, match="not an http or https URL") as raised:
        load_captioner(CaptionOptions(model=f"server:{url}#m")).close()
    assert "pw" not in str(raised.value)


def test_beams_are_not_for_servers() -> None:
    with pytest.raises(CaptionerError, match="--beams 3"):
        identify(CaptionOptions(model="server:http://host/v1#m", beams=3))
