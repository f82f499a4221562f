"""Texts that others wrote (names, questions, paths, reasons) made safe to print, to put into Markdown and to paste.

visible("\\x1b[31mred")      # '\\\\x1b[31mred': a terminal obeys nothing in it, and what is there is seen
one_line("new\\nline")       # 'new line'
markdown_cell("a|b <i>")    # 'a\\\\|b \\\\<i\\\\>'
shell_word("my data")       # "'my data'"

What is read by machines (csv, json, the tables of figures) keeps its texts as they are.
"""

import re
import shlex
import unicodedata

KEPT_JOINERS = "\u200c\u200d"
"""Invisible, but they join letters of several scripts and parts of emoji."""
_UNSEEN = re.compile(
    # Control characters but line ends and tabs, soft hyphens, marks of direction, separators of lines, other marks that
    # take no room, and halves of characters, which no output can encode.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_MARKUP = re.compile(r"[\\`*<>&|$~]|(?<![^\W_])_|_(?![^\W_])|(?<=\])\(")
"""What Markdown acts upon within a line: not the `_` inside of names, nor brackets that begin no link."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with everything spelled out that a terminal would obey or nobody would see; lines and tabs stay."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] in KEPT_JOINERS else _spelled(found[0]), text)


def one_line(text: str) -> str:
    """The same on one line, with one blank in the place of each stretch of white space."""
    return visible(" ".join(text.split()))


def markdown_cell(text: str) -> str:
    """A name as it stands in a Markdown table or sentence, where nothing in it is markup, HTML or a column's end."""
    return _MARKUP.sub(lambda found: "\\" + found[0], one_line(text))


def shell_word(word: str) -> str:
    """A word of a command line, ready to be pasted: as :mod:`shlex` quotes it, control characters spelled for bash."""
    if not _CONTROL.search(word):
        return shlex.quote(word)
    spelled = word.replace("\\", "\\\\").replace("'", "\\'").encode(errors="surrogateescape")
    return "$'" + "".join(f"\\x{byte:02x}" if byte < 32 or byte >= 127 else chr(byte) for byte in spelled) + "'"


def columns_of(text: str) -> int:
    """Columns a text takes in a terminal: two for most letters of East Asia and emoji, none for combining marks."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.category(letter) in ("Mn", "Me", "Cf") for letter in text)


def _spelled(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
