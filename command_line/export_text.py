"""Text of others in a file that a spreadsheet may open: none of it becomes a formula, a link, or another cell.

In CSV nothing but the text itself can say that it is a text. So each text

- stands in double quotes, whatever is in it, so that no separator of any country's spreadsheet splits it;
- is on one line: a backslash becomes `\\\\`, and every control character its escape (`\\n`, `\\t`, `\\x1b`, `\\u2028`),
  because readers that go by lines would begin a new row there;
- has an apostrophe in front where it begins, after blanks and what cannot be seen, with a sign that begins a formula,
  or with an apostrophe.

`original` turns it back. Numbers are not texts: they have no quotes, and `-1.50` stays a number.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

FORMULA_SIGNS = frozenset("=+-@\t\r\n＝＋－＠\N{MINUS SIGN}|%")
"""Begin a formula in some spreadsheet or its import; the wide ones in East Asian editions."""
TEXTS_REMEMBERED_MAX = 50_000
"""Names come again on every row."""
GUARD = "'"

_NAMED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNNAMED = {escape: character for character, escape in _NAMED.items()}
_ESCAPE = re.compile(r"\\(?:[\\nrt]|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def begins_formula(text: str) -> bool:
    """Whether a spreadsheet may take it for more than a text, were it typed or read there."""
    for character in text:
        if character in FORMULA_SIGNS:
            return True
        if not (character.isspace() or unicodedata.category(character) in ("Cf", "Cc")):
            return False
    return False


@lru_cache(TEXTS_REMEMBERED_MAX)
def csv_text(text: str) -> str:
    """A cell of CSV that holds this text, with its quotes."""
    guard = GUARD if begins_formula(text) or text.startswith(GUARD) else ""
    inner = guard + one_line(text)
    return '"' + inner.replace('"', '""') + '"'


def original(cell: str) -> str:
    """The text of a cell, as a reader of CSV gives it without its quotes."""
    return _ESCAPE.sub(_character, cell.removeprefix(GUARD))


def one_line(text: str) -> str:
    """With every control character, line break and lone surrogate as its escape."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if character.isprintable() or unicodedata.category(character) not in ("Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co"):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _character(escape: re.Match[str]) -> str:
    found = escape[0]
    return _UNNAMED[found] if found in _UNNAMED else chr(int(escape[1] or escape[2] or escape[3], 16))
