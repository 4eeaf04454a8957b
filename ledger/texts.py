"""Texts from outside, made fit for being stored and shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

EXCERPT_CHARS_MAX = 200
"""Characters kept of a message that could not be read as a command."""
MESSAGE_CHARS_MAX = 2_000
"""Characters kept of the reason for a refusal."""
_LOOKED_AT_CHARS_MAX = 10 * EXCERPT_CHARS_MAX

_ADDRESS = re.compile(r"[^\s\"'<>@,;:]+@[^\s\"'<>@,;:]+")
# In JSON, after an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def harmless(text: str) -> str:
    """Control characters, NUL and halves of characters as escapes: nothing that a terminal or PostgreSQL acts upon."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def excerpt_of(text: str) -> str:
    """The beginning of what was sent, on one line, without e-mail addresses."""
    masked = _ADDRESS.sub("(address)", text[:_LOOKED_AT_CHARS_MAX])
    return harmless(masked[:EXCERPT_CHARS_MAX].replace("\n", " "))[:EXCERPT_CHARS_MAX]


def reason_of(message: str, references: Iterable[str]) -> str:
    """The message of a refusal, without the addresses of the persons in the command: it becomes an event."""
    for reference in references:
        if "@" in reference:
            message = message.replace(reference, "(address)")
    return harmless(message[:MESSAGE_CHARS_MAX])


def has_nul(json: bytes) -> bool:
    """Whether a text within this JSON has the one character that PostgreSQL cannot store in a text."""
    return b"\\u0000" in json and _NUL.search(json) is not None
