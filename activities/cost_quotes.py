"""Proof that there is one way only to read the quotes of a CSV file.

Readers of CSV differ in what they make of a quote in the wrong place, and most of them take it for something. In a
file where each quote stands where RFC 4180 has it, all of them find the same values.
"""

from __future__ import annotations

import numpy as np

QUOTE = ord('"')
_BEFORE = b',\n"'
_AFTER = b',\r\n"'


class UnprovenError(Exception):
    """Some quote is not where it should be."""


class Quotes:
    """Takes a text block by block.

    Counted from the beginning, quotes open and close by turns; a quote within a value is written twice, and so closes
    and opens again. It is enough to look at what stands before those that open, and after those that close.
    """

    def __init__(self) -> None:
        self._opens = True
        """The next quote."""
        self._last = ord("\n")
        self._closed_last = False
        """The last byte was a quote that closes."""

    def take(self, block: bytes) -> None:
        """Raises UnprovenError. The block is not empty."""
        if self._closed_last and block[0] not in _AFTER:
            raise UnprovenError
        # Bytes are compared some at a time by numpy; Python would take a hundred times as long.
        text = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(text == QUOTE)
        first = 0 if self._opens else 1
        opening, closing = quotes[first::2], quotes[1 - first :: 2]
        before = text[opening - 1]
        if opening.size and opening[0] == 0:
            before[0] = self._last
        self._closed_last = bool(closing.size and closing[-1] == len(block) - 1)
        after = text[(closing[:-1] if self._closed_last else closing) + 1]
        if not (_IS_BEFORE[before].all() and _IS_AFTER[after].all()):
            raise UnprovenError
        self._opens ^= bool(quotes.size % 2)
        self._last = block[-1]

    def finish(self) -> None:
        """Raises UnprovenError for a quote that is left open."""
        if not self._opens:
            raise UnprovenError


def _one_of(characters: bytes) -> np.ndarray:
    table = np.zeros(256, bool)
    table[list(characters)] = True
    return table


_IS_BEFORE, _IS_AFTER = _one_of(_BEFORE), _one_of(_AFTER)
