"""A line of the table that `make bench` prints."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    what: str
    ours: str
    """Median, with its unit."""
    peer: str
    """Of what it is compared with, measured in the same rounds."""
    ratio: float
    """Median of the rounds' ratios."""
    aim: float | None = None
    at_most: bool = False
    """Whether the aim is an upper bound; else it is a lower one."""

    @property
    def reached(self) -> bool:
        if self.aim is None:
            return True
        return self.ratio <= self.aim if self.at_most else self.ratio >= self.aim

    @property
    def aim_text(self) -> str:
        return "" if self.aim is None else f"{'≤' if self.at_most else '≥'} {self.aim:g}"
