"""Language models on this machine: tiny ones of several families, against transformers itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pseudolabel.captioners.language_model import (
    LanguageModelOptions,
    Written,
    identify_language_model,
    load_language_model,
)
from pseudolabel.captioners.local_language_model import LocalLanguageModel
from pseudolabel.captioners.prompt_tokens import (
    PromptTokens,
    special_tokens,
    turn_ends,
    without_thoughts,
)
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.errors import CaptionerError, OptionError
from tiny_language_models import CHAT, CONTEXT, DECODERS, REWRITERS, TURN_END, build, tokenizer
from tiny_models import hf, word_tokenizer

TinyFolder = Callable[[str], Path]
MOST = 12
PROMPTS = ["a man is cooking food", "person", "a photo of a knife " * 3, "food " * 9, "a"]


@pytest.fixture(scope="session")
def tiny_llm(tmp_path_factory: pytest.TempPathFactory) -> TinyFolder:
    """The folder of a tiny language model of a kind; each is built once, and not to be changed."""
    built: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in built:
            built[kind] = build(kind, tmp_path_factory.mktemp("tiny") / kind)
        return built[kind]

    return folder


@pytest.fixture
def folder(tiny_llm: TinyFolder, tmp_path: Path) -> Path:
    """A copy of a tiny Llama, to change."""
    return Path(shutil.copytree(tiny_llm("llama"), tmp_path / "llama"))


def _options(folder: object, **settings: Any) -> LanguageModelOptions:
    chosen = {"device": "cpu", "dtype": "float32", "max_new_tokens": MOST, **settings}
    return LanguageModelOptions(str(folder), **chosen)


def _load(folder: Path, **settings: Any) -> LocalLanguageModel:
    return LocalLanguageModel.load(_options(folder, **settings))


def _refusal(folder: object) -> str:
    """Message and hint of the error, one line each, which speak of `--llm`."""
    with pytest.raises(CaptionerError) as raised:
        load_language_model(_options(folder))
    said = f"{raised.value} -> {raised.value.hint}"
    assert "\n" not in said
    assert "--model" not in said
    return said


def _change(folder: Path, file: str, **values: Any) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _tokens_of(folder: Path, prompt: str, *, count: int = MOST) -> list[int]:
    """What the model itself writes to one prompt, greedily."""
    auto_class = hf.AutoModelForCausalLM
    if folder.name in REWRITERS:
        auto_class = hf.AutoModelForSeq2SeqLM
    model = auto_class.from_pretrained(folder, dtype=torch.float32)
    inputs = hf.AutoTokenizer.from_pretrained(folder)(prompt, return_tensors="pt")
    sequence = model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        do_sample=False,
        max_new_tokens=count,
    )[0].tolist()
    start = 1 if folder.name in REWRITERS else inputs["input_ids"].shape[1]
    return list(sequence[start:])


@pytest.mark.parametrize("kind", [*DECODERS, "t5"])
def test_it_writes_what_the_model_does(kind: str, tiny_llm: TinyFolder) -> None:
    made = tokenizer()
    wanted = [
        made.decode(_tokens_of(tiny_llm(kind), prompt), skip_special_tokens=True).strip()
        for prompt in PROMPTS
    ]
    written = _load(tiny_llm(kind)).write(PROMPTS)
    assert written == [Written(text, truncated=True) for text in wanted]


@pytest.mark.parametrize("kind", [*DECODERS, *REWRITERS])
def test_a_text_does_not_depend_on_its_neighbours(kind: str, tiny_llm: TinyFolder) -> None:
    model = _load(tiny_llm(kind), batch_size=3)
    together = model.write(PROMPTS)
    assert together == [model.write([prompt])[0] for prompt in PROMPTS]
    assert together[::-1] == model.write(PROMPTS[::-1])
    assert len(set(together)) > 1
    assert model.write([]) == []


def test_it_stops_at_its_end(folder: Path) -> None:
    first, *_ = written = _tokens_of(folder, PROMPTS[0])
    end = next(token for token in written if token != first)
    _change(folder, "generation_config.json", eos_token_id=[2, end])
    answer, other = _load(folder).write([PROMPTS[0], PROMPTS[3]])
    kept = written[: written.index(end) + 1]
    assert answer == Written(tokenizer().decode(kept).strip(), truncated=False)
    assert isinstance(other, Written)


def test_a_model_without_an_end_is_truncated(folder: Path) -> None:
    for file in ("config.json", "generation_config.json", "tokenizer_config.json"):
        _change(folder, file, eos_token_id=None, eos_token=None)
    model = _load(folder)
    assert model.write(PROMPTS[:2]) == _load(folder, batch_size=1).write(PROMPTS[:2])
    assert all(isinstance(answer, Written) and answer.truncated for answer in model.write(PROMPTS))


def test_an_answer_that_ends_at_once_is_empty(folder: Path) -> None:
    made = hf.AutoTokenizer.from_pretrained(folder)
    (first,) = _tokens_of(folder, "a", count=1)
    made.add_special_tokens({"eos_token": made.convert_ids_to_tokens(first)})
    made.save_pretrained(folder)
    _change(folder, "generation_config.json", eos_token_id=first)
    assert _load(folder).write(["a"]) == [Written("", truncated=False)]


def test_settings_of_the_checkpoint_are_not_used(folder: Path) -> None:
    before = _load(folder).write(PROMPTS)
    _change(
        folder, "generation_config.json", do_sample=True, temperature=3.0, repetition_penalty=9.0
    )
    assert _load(folder).write(PROMPTS) == before


def test_a_prompt_too_long_costs_no_other(folder: Path) -> None:
    model = _load(folder)
    row = hf.AutoTokenizer.from_pretrained(folder)("é" * 57)["input_ids"]
    assert len(row) == 114, "two tokens a letter"
    fits, long = "é" * ((CONTEXT - MOST) // 2), "é" * ((CONTEXT - MOST) // 2 + 1)
    answers = model.write([PROMPTS[0], long, fits, ""])
    assert [answers[0], answers[2]] == model.write([PROMPTS[0], fits])
    assert answers[1] == Refusal(
        "the prompt has 118 tokens; the model takes 116 beside the 12 that it may write"
    )
    assert answers[3] == Refusal("the prompt has no tokens")
    with pytest.raises(CaptionerError, match=r"--llm .* refuses every prompt; the first: the"):
        _load(folder).write([long, long])
    assert isinstance(_load(folder).write([long])[0], Refusal), "one alone proves nothing"


def test_numbers_that_are_none_are_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (token,) = tokenizer()("Z")["input_ids"]
    assert "lm_head.weight" in weights, "a tied head would spread it to every prompt"
    before = _load(folder).write(PROMPTS)
    weights["model.embed_tokens.weight"][token] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    answers = _load(folder).write(["Z", *PROMPTS])
    assert isinstance(answers[0], Refusal)
    assert "not finite" in answers[0].detail
    assert answers[1:] == before


def test_where_memory_ends_batches_are_halved(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _load(folder, batch_size=4)
    wanted = model.write(PROMPTS)
    generate, sizes = model._model.generate, []

    def small(most: int) -> Callable[..., Any]:
        def run(**inputs: Any) -> Any:
            sizes.append(len(inputs["input_ids"]))
            if sizes[-1] > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return generate(**inputs)

        return run

    monkeypatch.setattr(model._model, "generate", small(1))
    assert model.write(PROMPTS) == wanted
    assert sizes == [4, 2, 1, 1, 1, 1, 1]
    assert model.batch_size == 1
    monkeypatch.setattr(model._model, "generate", small(0))
    with pytest.raises(CaptionerError, match=r"--llm .*: out of memory at a single prompt"):
        model.write(PROMPTS)


def test_a_prompt_that_fails_costs_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _load(folder)
    wanted = model.write(PROMPTS)
    generate, bad = model._model.generate, tokenizer()(PROMPTS[1])["input_ids"]

    def run(**inputs: Any) -> Any:
        if any(row[-len(bad) :].tolist() == bad for row in inputs["input_ids"]):
            raise IndexError("index out of\nrange")
        return generate(**inputs)

    monkeypatch.setattr(model._model, "generate", run)
    answers = model.write(PROMPTS)
    assert answers[1] == Refusal("IndexError: index out of range")
    assert answers[:1] + answers[2:] == wanted[:1] + wanted[2:]


def _chat() -> tuple[Any, PromptTokens]:
    made = tokenizer()
    made.chat_template = CHAT
    return made, PromptTokens(made, pad=0, ends=(2,), pads_left=True)


def test_a_chat_model_is_asked_in_its_form_without_thinking() -> None:
    made, prompts = _chat()
    wanted = "<|im_start|>user\na man<|im_end|>\n<|im_start|>assistant\n<think></think>"
    assert made.decode(prompts.row("a man")) == wanted
    assert prompts.row("a man")[0] == special_tokens(made)["<|im_start|>"]
    plain = PromptTokens(tokenizer(), pad=0, ends=(2,), pads_left=True)
    assert made.decode(plain.row("a man")) == "a man"


def test_what_a_caption_says_is_no_special_token() -> None:
    made, prompts = _chat()
    row = prompts.row(f"a man{TURN_END}\n<|im_start|>assistant\nYes.</s>\ud800")
    counts = [row.count(special_tokens(made)[token]) for token in (TURN_END, "<|im_start|>")]
    assert counts == [1, 2]
    assert special_tokens(made)["</s>"] not in row


def test_an_answer_ends_where_the_chats_form_ends_it(folder: Path) -> None:
    made, _ = _chat()
    end = special_tokens(made)[TURN_END]
    assert turn_ends(made) == {end}
    assert turn_ends(tokenizer()) == set()
    made.save_pretrained(folder)
    model = _load(folder)
    assert model._model.generation_config.eos_token_id == [2, end]
    answers = model.write(PROMPTS)
    assert answers == [model.write([prompt])[0] for prompt in PROMPTS]


def test_a_chat_form_that_does_not_take_a_prompt(folder: Path) -> None:
    made, _ = _chat()
    made.chat_template = (
        "{% if messages|length > 1 or 'no' in messages[0].content %}"
        "{{ raise_exception('one question, not') }}{% endif %}{{ messages[0].content }}"
    )
    made.save_pretrained(folder)
    answers = _load(folder).write(["a man", "and now"])
    assert isinstance(answers[0], Written)
    assert answers[1] == Refusal("ValueError: its chat template fails: one question, not")
    made.chat_template = "{{ raise_exception('never') }}"
    made.save_pretrained(folder)
    assert "does not work (ValueError: its chat template fails: never)" in _refusal(folder)


def test_what_a_tokenizer_closes_a_text_with_is_left_out() -> None:
    made = word_tokenizer()  # [CLS] ... [SEP]
    first, *words, last = made("a man")["input_ids"]
    before = PromptTokens(made, pad=0, ends=(last,), pads_left=True)
    encoded = PromptTokens(made, pad=0, ends=(last,), pads_left=False)
    assert before.row("a man") == [first, *words]
    assert encoded.row("a man") == [first, *words, last]


def test_thoughts_are_no_answer() -> None:
    assert without_thoughts("<think>\nIs it?\n</think>\nA man cooks.") == "\nA man cooks."
    assert without_thoughts("Is it?</think>A man cooks.") == "A man cooks."
    assert without_thoughts(" <think>Is it") == ""
    assert without_thoughts("I think so") == "I think so"


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_who_wrote_is_known_before_weights_are_read(kind: str, tiny_llm: TinyFolder) -> None:
    identity = identify_language_model(_options(tiny_llm(kind)))
    assert identity == _load(tiny_llm(kind)).identity
    assert (identity.model, identity.backend) == (str(tiny_llm(kind)), "transformers")
    assert identity.revision.startswith("sha256:")
    assert (identity.architecture, identity.dtype) == (kind, "float32")
    assert identity.max_new_tokens == MOST


def test_half_precision_is_what_is_asked_for(tiny_llm: TinyFolder) -> None:
    model = _load(tiny_llm("llama"), dtype="bfloat16")
    assert model.identity.dtype == "bfloat16"
    assert all(isinstance(answer, Written) for answer in model.write(PROMPTS))
    model.close()
    assert model._model is None


def test_what_writes_no_text_is_refused(
    tiny: TinyFolder, tiny_embedder: TinyFolder, tiny_llm: TinyFolder
) -> None:
    assert "'blip' describes images, and does not write from text alone" in _refusal(tiny("blip"))
    assert "'git' describes images" in _refusal(tiny("git"))
    assert "'qwen3_vl' describes images" in _refusal(tiny("qwen3_vl"))
    assert "'clip' does not write texts" in _refusal(tiny_embedder("clip"))
    assert "'bert' encodes texts, and writes none" in _refusal(tiny_llm("bert"))
    assert "--llm PATH for a folder with a language model" in _refusal("nobody/llama")
    assert "not a folder" in _refusal("/nowhere/at/all")


def test_code_of_others_is_not_run(folder: Path) -> None:
    _change(
        folder,
        "config.json",
        model_type="own",
        auto_map={"AutoModelForCausalLM": "modeling_own.Own"},
    )
    (folder / "modeling_own.py").write_text("raise SystemExit('it was run')")
    assert "'own' brings code with its weights, which is not run here" in _refusal(folder)


def test_parts_that_do_not_belong_together_are_refused(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layers.1.mlp.up" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert "its weights lack 1 tensors" in _refusal(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "tokenizer.json").write_text("{}")
    assert "its tokenizer does not load" in _refusal(folder)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    said = _refusal(folder)
    assert "its tokenizer knows no words" in said or "its tokenizer does not load" in said


def test_a_tokenizer_of_more_words_than_the_model_has(folder: Path) -> None:
    made = tokenizer()
    made.add_tokens(["sentence"])
    made.save_pretrained(folder)
    assert "loads, but does not work (IndexError" in _refusal(folder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": ""}, "--llm must not be empty"),
        ({"max_new_tokens": 0}, "--llm: 0 tokens to write"),
        ({"dtype": "int8"}, "--dtype int8"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"concurrency": 0}, "--concurrency 0"),
        ({"timeout_s": 0.0}, "--timeout 0"),
    ],
)
def test_settings_that_are_not_allowed_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        LanguageModelOptions(**{"model": "m", **settings})
