"""What a notice is, and the words that all of them share."""

from __future__ import annotations

from typing import NamedTuple

from domain.decision import Grant, PersonId
from domain.hierarchy import NodePath

SUBJECT_CHARS_MAX = 200
QUOTED_CHARS_MAX = 600
"""Characters of somebody's reason or note; the whole of it is in the ledger."""
YOU = "YOU@EXAMPLE.COM"


class Audience(NamedTuple):
    """Who is told; the actor never is."""

    holders: tuple[Grant, ...] = ()
    """All who hold one of these, and to whom they have delegated."""
    people: tuple[PersonId, ...] = ()
    schedule: tuple[int, NodePath] | None = None
    """Of which schedule the submitters count."""
    workload: tuple[NodePath, str] | None = None
    """Of which workload's estimate they do."""
    submitters_too: bool = False
    """Whether whoever submitted it is told, too."""
    not_submitters: bool = False
    """Whether they are left out, because nobody decides on their own submission."""
    proposal: tuple[str, int] | None = None
    """Account and number of a proposal: whoever made it is told, too."""


class Notice(NamedTuple):
    audience: Audience
    subject: str
    body: str


def one_line(text: str, chars_max: int = SUBJECT_CHARS_MAX) -> str:
    """On one line and cut to the limit: a line break in a subject would begin another header."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


def commands(title: str, *lines: str) -> str:
    """To copy, or a list of other lines."""
    return "\n".join([title, *(f"    {line}" for line in lines)])


def said(title: str, text: str) -> str:
    return f"{title}: {one_line(text, QUOTED_CHARS_MAX)}" if text.strip() else ""


def paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
