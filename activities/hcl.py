"""Blocks of a file in HCL, the language of Terraform, as far as they are plain texts and tables of texts.

Nothing is evaluated: a value with a variable, function or template in it is known to be computed, and not what it is.
Files come from anywhere, so whatever could take very long or much memory is bounded: the parser is fed token by token,
one top-level block at a time, and its tree is walked without recursion.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hcl2.parser import parser
from hcl2.utils import process_escape_sequences
from lark import Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from domain.budget_file_problem import Fault

BLOCK_CHARS_MAX = 100_000
"""Characters of one top-level block, with the comments before it."""
TOKENS_MAX = 1_500_000
"""Tokens of a file; an account request has about 130, and the parser takes 30 to 40 µs for each."""
BLOCKS_MAX = 20_000
"""Top-level blocks of a file."""
DEPTH_MAX = 50
"""Brackets within brackets."""
BLANKS_MAX = 100
"""Blanks and line breaks in a row in a file with heredocs: for each of them, the end of a heredoc is looked for."""

_BLANKS = re.compile(rf"\s{{{BLANKS_MAX + 1}}}\s*+")
_OPENING = {"LBRACE": "RBRACE", "LSQB": "RSQB", "LPAR": "RPAR", "INTERP_START": "RBRACE", "DIRECTIVE_START": "RBRACE"}
_CLOSING = frozenset(_OPENING.values())
_BLANK = "NL_OR_COMMENT"
_CHECK = "check quotes, braces and commas there, for example with `terraform validate`"

_LABELS = frozenset({"identifier", "keyword", "literal_value", "string"})
_KINDS = {
    "int_lit": "a number",
    "float_lit": "a number",
    "literal_value": "null, true or false",
    "heredoc_template": "a heredoc",
    "heredoc_template_trim": "a heredoc",
    "object": "a table",
    "tuple": "a list",
    "function_call": "a function",
}

type Node = Tree[Token] | Token


class Text(NamedTuple):
    """A text in quotes, without anything to compute in it."""

    line: int
    text: str


class Computed(NamedTuple):
    """A value that only Terraform can tell, or that is no text."""

    line: int
    what: str
    """In words, such as `a function or variable`."""


class Table(NamedTuple):
    """Values by their keys."""

    line: int
    values: Mapping[str, Text | Computed]
    whole: bool
    """False where a key is computed, so that the table may hold any."""
    twice: tuple[str, ...]
    """Keys that are given more than once."""


type Value = Text | Table | Computed


class Block(NamedTuple):
    """A top-level block; the blocks within it are left out."""

    line: int
    labels: tuple[str, ...]
    """Its type first, such as `("module", "shop")`."""
    values: Mapping[str, Value]
    twice: tuple[str, ...]


class Unreadable(Exception):
    """Raised where a text is not HCL, or too much of it; whatever follows cannot be trusted either."""

    def __init__(self, line: int, fault: Fault) -> None:
        super().__init__(fault.problem)
        self.line, self.fault = line, fault


def blocks(text: str) -> Iterator[Block]:
    """Every top-level block, in order. Raises Unreadable."""
    _check_blanks(text)
    reader = _Reader(f"{text}\n")
    while reader.start < len(reader.source):
        try:
            tree = reader.next()
        except UnexpectedInput as error:
            raise _misunderstood(reader.source, error) from None
        if tree is not None:
            yield from (_block(found) for found in _children(next(_children(tree, "body")), "block"))


def _misunderstood(source: str, error: UnexpectedInput) -> Unreadable:
    """The parser gives no place for the end of the file."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        fault = Fault("is the end, and something is not closed", _CHECK)
        return Unreadable(_line_at(source.rstrip(), len(source)), fault)
    return Unreadable(error.line, Fault(f"cannot be understood at character {error.column}", _CHECK))


def _check_blanks(text: str) -> None:
    if "<<" in text and (found := _BLANKS.search(text)):
        fault = Fault(f"begins more than {BLANKS_MAX} blanks or empty lines", "take them out")
        raise Unreadable(_line_at(text, found.start()), fault)


@dataclass(slots=True)
class _Reader:
    """Goes through a text block by block, so that no more than one of them is held as a tree."""

    source: str
    start: int = 0
    line: int = 1
    """Of the start."""
    blocks: int = 0
    tokens: int = 0

    def next(self) -> Tree[Token] | None:
        """The tree of the next block; None where only blanks and comments are left.

        Raises Unreadable, and the parser's UnexpectedInput.
        """
        piece = self.source[self.start : self.start + BLOCK_CHARS_MAX]
        parsing = parser().parse_interactive(piece)
        state = parsing.lexer_thread.state
        assert state is not None and state.line_ctr is not None  # noqa: PT018 - it was given a text
        state.line_ctr.line = self.line
        end, last = self._read(parsing, piece)
        tree = parsing.feed_token(Token.new_borrow_pos("$END", "", last)) if last else None
        self.blocks += tree is not None
        if self.blocks > BLOCKS_MAX:
            raise Unreadable(self.line, Fault(f"is past {BLOCKS_MAX:,} blocks, the most in one file", "split the file"))
        self.start += end
        self.line += piece.count("\n", 0, end)
        return tree

    def _read(self, parsing: InteractiveParser, piece: str) -> tuple[int, Token | None]:
        """Feeds the parser with one block: where it ends in the piece, and its last token that is no comment."""
        opened: list[str] = []
        last: Token | None = None
        for token in parsing.iter_parse():
            last = last if token.type == _BLANK else token
            self._count(token)
            if token.type in _OPENING:
                opened.append(token.type)
                if len(opened) > DEPTH_MAX:
                    fault = Fault(f"nests more than {DEPTH_MAX} brackets", "simplify it")
                    raise Unreadable(token.line or self.line, fault)
            elif token.type in _CLOSING and opened and opened.pop() == "LBRACE" and not opened:
                parsing.feed_token(token)  # each one is given to the parser only when the next is asked for
                return token.end_pos or len(piece), token
        if self.start + len(piece) < len(self.source):
            problem = f"begins a block of more than {BLOCK_CHARS_MAX:,} characters"
            raise Unreadable(self.line, Fault(problem, "check its braces, or split it"))
        return len(piece), last

    def _count(self, token: Token) -> None:
        self.tokens += 1
        if self.tokens > TOKENS_MAX:
            fault = Fault(f"is past {TOKENS_MAX:,} words and signs, the most in one file", "split the file")
            raise Unreadable(token.line or self.line, fault)


def _line_at(source: str, offset: int) -> int:
    return source.count("\n", 0, offset) + 1


# The tree of the parser


def _children(tree: Node, name: str) -> Iterator[Tree[Token]]:
    """Those of that kind."""
    if isinstance(tree, Tree):
        yield from (child for child in tree.children if isinstance(child, Tree) and child.data == name)


def _block(tree: Tree[Token]) -> Block:
    labels = tuple(_label(child) for child in tree.children if isinstance(child, Tree) and child.data in _LABELS)
    body = next(_children(tree, "body"))
    pairs = [(_label(one.children[0]), _value(one.children[-1])) for one in _children(body, "attribute")]
    return Block(tree.meta.line, labels, *_unique(pairs))


def _unique[T](pairs: Sequence[tuple[str, T]]) -> tuple[Mapping[str, T], tuple[str, ...]]:
    """By key, and the keys that come twice."""
    counted = Counter(key for key, _ in pairs)
    return dict(pairs), tuple(key for key, times in counted.items() if times > 1)


def _label(tree: Node) -> str:
    """Of a block, attribute or key: a name, keyword or text in quotes; empty for what is computed."""
    if isinstance(tree, Tree) and tree.data == "string":
        return _plain(tree) or ""
    return str(tree.children[0]) if isinstance(tree, Tree) and tree.data in _LABELS else ""


def _value(tree: Node) -> Value:
    inner = _only_child(tree)
    if isinstance(inner, Tree) and inner.data == "object":
        return _table(inner)
    return _single(tree)


def _single(tree: Node) -> Text | Computed:
    inner, line = _only_child(tree), _line_of(tree)
    kind = inner.data if isinstance(inner, Tree) else ""
    if isinstance(inner, Tree) and kind == "string":
        text = _plain(inner)
        return Computed(line, "a text with something to compute in it") if text is None else Text(line, text)
    return Computed(line, _KINDS.get(kind, "something to compute"))


def _table(tree: Tree[Token]) -> Table:
    pairs: list[tuple[str, Text | Computed]] = []
    whole = True
    for element in _children(tree, "object_elem"):
        key = element.children[0].children[0] if isinstance(element.children[0], Tree) else element.children[0]
        name = _label(_only_child(key))
        whole = whole and bool(name)
        if name:
            pairs.append((name, _single(element.children[-1])))
    values, twice = _unique(pairs)
    return Table(tree.meta.line, values, whole, twice)


def _only_child(tree: Node) -> Node:
    """What an expression is where it is one thing only; not what stands in parentheses."""
    single = isinstance(tree, Tree) and tree.data == "expr_term" and len(tree.children) == 1
    return tree.children[0] if isinstance(tree, Tree) and single else tree


def _line_of(tree: Node) -> int:
    return (tree.meta.line if isinstance(tree, Tree) else tree.line) or 1


def _plain(tree: Tree[Token]) -> str | None:
    """What a text in quotes says; None where something in it is computed."""
    parts: list[str] = []
    for part in _children(tree, "string_part"):
        found = part.children[0]
        if not isinstance(found, Token):
            return None
        # `$${` and `%%{` stand for themselves without the first character.
        parts.append(process_escape_sequences(found) if found.type == "STRING_CHARS" else found[1:])
    return "".join(parts)
