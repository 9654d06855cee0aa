"""Other people's text in Markdown: a reader sees it as it is, and it does nothing."""

from __future__ import annotations

import json
import random

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pseudolabel.release.card.escaping import (
    fenced,
    inline_code,
    json_block,
    plain,
    string_literal,
    visible,
)

PIECES = [
    *("`", "``", "```", "~~~", "|", "\\", "\\|", "\n", "\r\n", "  ", " ", "*", "_", "[a](b)"),
    *("![", "](x)", "<b>", "</b>", "<!--", "-->", "&lt;", "&#42;", "# ", "- ", "1. ", "> ", "---"),
    *("==", "$", "~~", "www.a.b", "https://a.b", "<https://a.b>", "[a]: b", "\t", "\u202e", "é"),
    *("cat", "\u2028", "\x00", "😀", '"', "'", "{{", "+ ", "1) ", "\ud800"),
]


def texts(count: int = 400) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choices(PIECES, k=draw.randint(1, 8))) for _ in range(count)]


def parse(markdown: str) -> list[Token]:
    found = []
    for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown):
        found += [token, *(token.children or [])]
    return found


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert visible("a\u202eb\nc\x00d\u00a0e") == r"a\u202eb\u000ac\u0000d\u00a0e"
    assert visible("\U000e0041") == r"\udb40\udc41"
    assert visible("é😀 שלום مرحبا 猫") == "é😀 שלום مرحبا 猫"


def test_text_reads_as_it_is() -> None:
    for text in texts():
        tokens = parse(f"{plain(text)}\n")
        kinds = {token.type for token in tokens} - {"text", "text_special"}
        assert kinds <= {"paragraph_open", "inline", "paragraph_close"}, text
        shown = "".join(token.content for token in tokens if token.type == "text")
        assert shown == " ".join(visible(text).split()), text


def test_text_stays_readable_in_the_source() -> None:
    assert plain("version 1.0.0 of 2026-01-05, 25 % off-line") == (
        "version 1.0.0 of 2026-01-05, 25 % off-line"
    )


@pytest.mark.parametrize("in_table", [False, True])
def test_code_reads_as_it_is_in_a_line_and_in_a_table(in_table: bool) -> None:
    for text in texts():
        if not text.strip():
            continue
        code = inline_code(text, in_table=in_table)
        lines = f"| a | b |\n| --- | --- |\n| {code} | end |" if in_table else f"- {code} end"
        tokens = parse(lines)
        shown = [token.content for token in tokens if token.type == "code_inline"]
        expected = visible(text).replace("|", r"\u007c") if in_table else visible(text)
        assert shown == [expected], text
        assert not any(token.type.startswith("html") for token in tokens)
        assert sum(token.type == "td_open" for token in tokens) == 2 * in_table, text
        assert any(token.content.strip() == "end" for token in tokens if token.type == "text")


def test_code_of_nothing_is_said_to_be() -> None:
    assert inline_code("") == "(empty)"
    assert inline_code("  ") == "(blank)"


def test_a_block_is_not_closed_from_inside() -> None:
    text = "a\n```\n<b>\n````` \n~~~\n[a](b)"
    (block,) = parse(fenced(text, "text"))
    assert (block.type, block.info, block.content) == ("fence", "text", text + "\n")


def test_a_row_comes_back_from_its_block() -> None:
    for text in texts():
        row = {text: [text, None, 0.1, {"n": True}], "a": text}
        (block,) = parse(json_block(row))
        assert json.loads(block.content) == row
        assert not set(block.content) & set("<>&")
        assert all(char.isprintable() or char == "\n" for char in block.content)


def test_a_literal_is_the_text_in_python() -> None:
    for text in ("user/set", 'a"b\\', "a\nb", "<x>\u202e"):
        assert eval(string_literal(text)) == text
        assert string_literal(text).isprintable()


def test_long_text_is_cut() -> None:
    assert inline_code("a" * 200, limit=200) == f"`{'a' * 200}`"
    assert inline_code("a" * 201, limit=200) == f"`{'a' * 199}…`"
