"""Language models in GGUF files: the same as from safetensors, wherever the file is."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopback_hub import LoopbackHub, use_hub
from pseudolabel.captioners.language_model import (
    LanguageModelOptions,
    Written,
    identify_language_model,
    load_language_model,
)
from pseudolabel.captioners.local_language_model import LocalLanguageModel
from pseudolabel.errors import CaptionerError, MissingExtraError
from tiny_language_models import CHAT, build, write_gguf

pytest.importorskip("gguf")
pytest.importorskip("accelerate")

PROMPTS = ["a man is cooking food", "person", "a photo of a knife " * 3]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Llama."""
    return build("llama", tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture(scope="module")
def gguf_file(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as a GGUF file."""
    return write_gguf(llama, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def _options(name: object) -> LanguageModelOptions:
    return LanguageModelOptions(str(name), device="cpu", dtype="float32", max_new_tokens=8)


def _load(name: object) -> LocalLanguageModel:
    return LocalLanguageModel.load(_options(name))


def _refusal(name: object, kind: type[Any] = CaptionerError) -> str:
    with pytest.raises(kind) as raised:
        load_language_model(_options(name))
    said = f"{raised.value} -> {raised.value.hint}"
    assert "\n" not in said
    assert "--model" not in said
    return said


def test_it_writes_what_the_same_safetensors_do(
    llama: Path, gguf_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    answers = _load(gguf_file).write(PROMPTS)
    assert capfd.readouterr() == ("", ""), "no bars, no advice"
    assert answers == _load(llama).write(PROMPTS)
    assert answers == _load(f"{gguf_file.parent}#tiny.gguf").write(PROMPTS)


def test_who_wrote_is_the_files_own_hash(gguf_file: Path, tmp_path: Path) -> None:
    identity = identify_language_model(_options(gguf_file))
    assert identity == _load(gguf_file).identity
    assert (identity.model, identity.architecture) == (str(gguf_file), "llama")
    other = tmp_path / "other#1.gguf"
    other.write_bytes(gguf_file.read_bytes()[:-4] + bytes(4))
    changed = identify_language_model(_options(other))
    assert changed.model == str(other)
    assert changed.revision.startswith("sha256:")
    assert changed.revision != identity.revision


def test_its_chat_form_is_used(llama: Path, tmp_path: Path) -> None:
    model = _load(write_gguf(llama, tmp_path / "chat.gguf", chat_template=CHAT))
    shown = model._prompts._tokenizer.decode(model._prompts.row("a man"))
    assert shown.startswith("<|im_start|>user\na man<|im_end|>\n<|im_start|>assistant\n<think>")
    assert len(model._tokens.ends) == 2, "of a text, and of a turn"
    assert all(isinstance(answer, Written) for answer in model.write(PROMPTS))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as made:
        use_hub(monkeypatch, made, tmp_path / "home")
        yield made


def test_a_file_on_the_hub(
    gguf_file: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = hub.create("tester/llm", "models")
    first = repository.write({"sub/tiny.gguf": gguf_file.read_bytes()})
    second = repository.write({"README.md": b"# tiny"})
    assert "the repository has no other.gguf" in _refusal("tester/llm#other.gguf")
    online = _load("tester/llm#sub/tiny.gguf")
    assert (online.identity.model, online.identity.revision) == (
        "tester/llm#sub/tiny.gguf",
        second,
    )
    assert online.write(PROMPTS) == _load(gguf_file).write(PROMPTS)
    pinned = identify_language_model(_options(f"tester/llm@{first}#sub/tiny.gguf"))
    assert (pinned.model, pinned.revision) == ("tester/llm#sub/tiny.gguf", first)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert _load("tester/llm#sub/tiny.gguf").identity == online.identity
    assert "the Hub cannot be reached" in _refusal("tester/llm#sub/other.gguf")


def test_what_is_no_whole_gguf_file_is_refused(gguf_file: Path, tmp_path: Path) -> None:
    whole, path = gguf_file.read_bytes(), tmp_path / "tiny.gguf"
    for content, said in (
        (b"", "not a GGUF file"),
        (b"PK" + whole[2:], "not a GGUF file (it does not begin as one)"),
        (whole[:40], "not a GGUF file"),
        (whole[:4] + struct.pack(">I", 3) + whole[8:], "not a GGUF file (version 50331648"),
        (whole[:24] + struct.pack("<Q", 1 << 40) + whole[32:], "its metadata is damaged"),
        (whole[:-4000], "does not load"),
        (whole.replace(b"llama", b"lyama"), "does not load"),
    ):
        path.write_bytes(content)
        assert said in _refusal(path)


def test_names_that_name_no_file(gguf_file: Path, tmp_path: Path) -> None:
    folder = gguf_file.parent
    assert f"--llm {folder}#tiny.gguf" in _refusal(f"{folder}#other.gguf")
    assert f"a folder of GGUF files -> --llm {folder}#tiny.gguf" in _refusal(folder)
    assert "no such file in" in _refusal(f"{tmp_path}#other.gguf")
    assert "no such file -> --llm PATH/TO/FILE.gguf" in _refusal(tmp_path / "none.gguf")
    part = "big-00001-of-00003.gguf"
    (tmp_path / part).write_bytes(gguf_file.read_bytes())
    assert "one of 3 parts" in _refusal(tmp_path / part)
    assert "one of 3 parts" in _refusal(f"tester/llm#{part}"), "before it is downloaded"


def test_what_reads_it_may_not_be_installed(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pseudolabel.captioners.gguf_files._NEEDED", ("no_such_reader",))
    said = _refusal(gguf_file, MissingExtraError)
    assert f"--llm {gguf_file} needs the package 'no_such_reader'" in said
    assert "pseudolabel[gguf]" in said
