"""Texts that others wrote: nothing in them acts on a terminal, a Markdown reader or a shell."""

import os
import subprocess

import pytest

from embedllm.visible import columns_of, markdown_cell, one_line, shell_word, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("nul\0 back\b del\x7f csi\x9b31m", "nul\\x00 back\\x08 del\\x7f csi\\x9b31m"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("zero\u200bwidth\ufeff soft\xad", "zero\\u200bwidth\\ufeff soft\\xad"),
        ("half \ud83d", "half \\ud83d"),
        ("line\nline\ttab", "line\nline\ttab"),
        (
            "模型 שלום e\u0301 👩\u200d👧 [bold]x[/bold] %s {0} $x_1$",
            "模型 שלום e\u0301 👩\u200d👧 [bold]x[/bold] %s {0} $x_1$",
        ),
    ],
)
def test_what_a_terminal_obeys_or_nobody_sees_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    shown.encode()


def test_white_space_is_one_blank_on_one_line() -> None:
    assert one_line(" a\r\nb\t\u2028c  d ") == "a b c d"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a|b", "a\\|b"),
        ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
        ("&lt;", "\\&lt;"),
        ("`code` **bold** ~~gone~~ $x_1$", "\\`code\\` \\*\\*bold\\*\\* \\~\\~gone\\~\\~ \\$x_1\\$"),
        ("[text](http://x) ![](http://x)", "[text]\\(http://x) ![]\\(http://x)"),
        ("back\\|slash", "back\\\\\\|slash"),
        ("Qwen_2_chat __init__ _it_", "Qwen_2_chat \\_\\_init\\_\\_ \\_it\\_"),
        ("two\nlines", "two lines"),
        ("-0.0050 [-0.0071, -0.0029]", "-0.0050 [-0.0071, -0.0029]"),
    ],
)
def test_a_name_is_no_markup(text: str, cell: str) -> None:
    assert markdown_cell(text) == cell


@pytest.mark.parametrize("word", ["plain", "two words", "it's", "$(x) `y` \\", "*?", "a\nb", "\x1b[31m'é'", "tab\t$x"])
def test_a_pasted_word_is_the_word(word: str) -> None:
    typed = shell_word(word)
    assert visible(typed) == typed
    assert "\n" not in typed
    given = subprocess.run(["bash", "-c", f"printf %s {typed}"], capture_output=True, check=True).stdout
    assert os.fsdecode(given) == word


def test_bytes_that_are_no_text_are_pasted_as_they_are() -> None:
    assert shell_word("x\udcff") == "$'x\\xff'"


def test_columns_in_a_terminal() -> None:
    assert [columns_of(text) for text in ("abc", "模型", "e\u0301", "é")] == [3, 4, 1, 1]
