"""Language models behind a server: a real one on the loopback, which answers, fails or hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loopback_chat import ChatServer
from pseudolabel.captioners.language_model import (
    LanguageModelOptions,
    Written,
    identify_language_model,
    load_language_model,
)
from pseudolabel.captioners.language_server import GONE_AFTER, ServerLanguageModel
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.errors import CaptionerError

SECRET = "sk-secret"
PROMPTS = [f"prompt {number}" for number in range(12)]
WANTED = [Written(f"answer to {prompt}", truncated=False) for prompt in PROMPTS]
Connect = Callable[..., ServerLanguageModel]


def prompt_of(body: dict[str, Any]) -> str:
    prompt: str = body["messages"][0]["content"]
    return prompt


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("PSEUDOLABEL_SERVER_KEY", raising=False)
    made = ChatServer(lambda body: f" answer to {prompt_of(body)}\n")
    yield made
    made.close()


@pytest.fixture
def connect(server: ChatServer) -> Iterator[Connect]:
    opened: list[ServerLanguageModel] = []

    def open_one(**settings: Any) -> ServerLanguageModel:
        options = LanguageModelOptions(f"server:{server.url}#tiny", **settings)
        opened.append(ServerLanguageModel(options, backoff_s=0.001))
        return opened[-1]

    yield open_one
    for model in opened:
        model.close()


def test_answers_come_back_in_order(server: ChatServer, connect: Connect) -> None:
    model = connect(concurrency=4)
    assert model.write(PROMPTS) == WANTED
    assert model.write([]) == []
    assert server.most_in_flight <= model.batch_size == 4
    body = server.bodies[-1]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("tiny", 0, 80)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["messages"] == [{"role": "user", "content": prompt_of(body)}]


def test_a_server_that_knows_no_templates_is_asked_without(
    server: ChatServer, connect: Connect
) -> None:
    server.script = lambda body, attempt: (
        (400, {"error": {"message": "unknown field"}}) if "chat_template_kwargs" in body else None
    )
    assert connect(concurrency=1).write(PROMPTS) == WANTED
    assert sum("chat_template_kwargs" in body for body in server.bodies) == 1, "asked once only"


def _answering(content: Any, reason: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": content, **message}, "finish_reason": reason}],
    }


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (_answering("A man\n\ncooks. "), Written("A man\n\ncooks.", truncated=False)),
        (_answering("A man", "length"), Written("A man", truncated=True)),
        (_answering(""), Written("", truncated=False)),
        (_answering(None, "length"), Written("", truncated=True)),
        (_answering("<think>so</think>\nA man"), Written("A man", truncated=False)),
        (_answering("A cat \ud83d", "length"), Written("A cat ?", truncated=True)),
        (_answering("", "content_filter"), Refusal("declined: content_filter")),
        (_answering(None, refusal="I can't."), Refusal("declined: I can't.")),
        ({"choices": []}, Refusal("the server's answer has no choices")),
    ],
)
def test_what_an_answer_says(
    answer: Any, wanted: Written | Refusal, server: ChatServer, connect: Connect
) -> None:
    server.script = lambda body, attempt: (200, answer)
    assert connect().write(PROMPTS[:1]) == [wanted]


@pytest.mark.parametrize("fault", [(429, {}), (500, "oops"), (200, "cut"), (200, "hang")])
def test_what_passes_is_tried_again(
    fault: tuple[int, Any], server: ChatServer, connect: Connect
) -> None:
    server.script = lambda body, attempt: fault if attempt == 1 else None
    assert connect(timeout_s=0.5).write(PROMPTS[:3]) == WANTED[:3]
    assert set(server.attempts.values()) == {2}


def test_one_refused_prompt_costs_no_other(server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (
        (400, {"error": {"message": "too\nlong"}}) if prompt_of(body) == PROMPTS[2] else None
    )
    answers = connect().write(PROMPTS)
    assert answers[2] == Refusal("400: too long")
    assert answers[:2] + answers[3:] == WANTED[:2] + WANTED[3:]


@pytest.mark.parametrize("fault", [(200, "hang"), (200, "cut"), (500, "oops"), (503, {})])
def test_a_server_that_stops_answering_half_way(
    fault: tuple[int, Any], server: ChatServer, connect: Connect
) -> None:
    model = connect(timeout_s=0.2)
    assert model.write(PROMPTS[:6]) == WANTED[:6]
    server.script = lambda body, attempt: fault
    answers = model.write(PROMPTS[6:])
    assert all(isinstance(answer, Refusal) and "6 tries" in answer.detail for answer in answers)
    server.script = lambda body, attempt: None
    assert model.write(PROMPTS[6:]) == WANTED[6:], "and it may come back"


def test_prompts_that_hang_beside_others_that_do_not(server: ChatServer, connect: Connect) -> None:
    slow = set(PROMPTS[8:10])
    server.script = lambda body, attempt: (200, "hang") if prompt_of(body) in slow else None
    answers = connect(timeout_s=0.2, concurrency=2).write(PROMPTS)
    assert answers[:8] + answers[10:] == WANTED[:8] + WANTED[10:]
    for answer in answers[8:10]:
        assert isinstance(answer, Refusal)
        assert "Timeout" in answer.detail


def test_a_server_that_never_answered_is_an_error(server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (200, "hang")
    with pytest.raises(CaptionerError, match="cannot be reached") as raised:
        connect(timeout_s=0.05).write(PROMPTS)
    assert "--timeout" in (raised.value.hint or "")


def test_a_server_that_is_gone_for_good_is_an_error(server: ChatServer, connect: Connect) -> None:
    model = connect(concurrency=4)
    assert model.write(PROMPTS[:1]) == WANTED[:1]
    server.script = lambda body, attempt: (500, "oops")
    many = [f"more {number}" for number in range(GONE_AFTER - 1)]
    assert all(isinstance(answer, Refusal) for answer in model.write(many))
    with pytest.raises(CaptionerError, match=r"server .* fails"):
        model.write(PROMPTS)


def test_when_every_prompt_is_refused_it_is_an_error(server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (422, {"detail": "no chat"})
    with pytest.raises(CaptionerError, match="--llm tiny refuses every prompt; the first: 422"):
        connect().write(PROMPTS)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_concerns_every_prompt_is_an_error_at_any_time(
    status: int, server: ChatServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDOLABEL_SERVER_KEY", SECRET)
    model = connect()
    assert model.write(PROMPTS) == WANTED
    server.script = lambda body, attempt: (status, {"detail": "no"})
    with pytest.raises(CaptionerError, match=str(status)) as raised:
        model.write(PROMPTS)
    assert server.keys == {f"Bearer {SECRET}"}
    assert SECRET not in f"{raised.value}{raised.value.hint}"


@pytest.mark.parametrize("answer", ["<html>", {"hello": 1}, {"choices": [1]}, _answering([1])])
def test_another_kind_of_server(answer: Any, server: ChatServer, connect: Connect) -> None:
    server.script = lambda body, attempt: (200, answer)
    with pytest.raises(CaptionerError, match="OpenAI-compatible"):
        connect().write(PROMPTS[:1])


def test_many_threads_wait_for_one_server(server: ChatServer, connect: Connect) -> None:
    gate = threading.Barrier(4, timeout=60)

    def script(body: dict[str, Any], attempt: int) -> None:
        gate.wait()  # passes only where four are in flight

    server.script = script
    assert connect(concurrency=4).write(PROMPTS) == WANTED


def test_text_that_is_no_json_is_sent(server: ChatServer, connect: Connect) -> None:
    (answer,) = connect().write(["a \ud800 b"])
    assert answer == Written("answer to a ? b", truncated=False)


def test_the_only_model_need_not_be_named(server: ChatServer) -> None:
    server.models = ["tiny"]
    options = LanguageModelOptions(f"server:{server.url}")
    model = load_language_model(options)
    model.close()
    assert model.identity == identify_language_model(options)
    assert (model.identity.model, model.identity.backend) == ("tiny", "server")
    server.models.append("other")
    with pytest.raises(CaptionerError, match="has 2 models") as raised:
        identify_language_model(options)
    assert "--llm server:URL#MODEL" in (raised.value.hint or "")


@pytest.mark.parametrize("url", ["", "host:8000/v1", "ftp://me:pw@host", "http://"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(
        CaptionerError, match="--llm server:URL: not an http or https URL"
    ) as raised:
        load_language_model(LanguageModelOptions(f"server:{url}#m")).close()
    assert "pw" not in f"{raised.value}{raised.value.hint}"


def test_identity_names_no_address() -> None:
    identity = identify_language_model(LanguageModelOptions("server:http://me:pw@host:1/v1#org/m"))
    assert (identity.model, identity.backend, identity.max_new_tokens) == ("org/m", "server", 80)
    assert "host" not in repr(identity)
