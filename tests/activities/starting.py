"""Stands in for Temporal where it matters which processes are started, and not how."""

from __future__ import annotations

from collections.abc import Sequence

from domain.account_process import AlignmentRound


class Started:
    """Notes what is to be started; fails first as often as it is told to."""

    def __init__(self) -> None:
        self.rounds: list[tuple[str, int]] = []
        """Account and occasion, in order."""
        self.over: list[tuple[str, int]] = []
        """Whose processes were told that they are over."""
        self.open: list[Sequence[AlignmentRound]] = []
        """What was said to be open, each time."""
        self.failures: list[Exception] = []

    def start(self, rounds: Sequence[AlignmentRound]) -> int:
        if self.failures:
            raise self.failures.pop(0)
        self.rounds += [(one.account_id, one.occasion) for one in rounds]
        return len(rounds)

    def tell_over(self, rounds: Sequence[AlignmentRound]) -> int:
        if self.failures:
            raise self.failures.pop(0)
        self.over += [(one.account_id, one.occasion) for one in rounds]
        return len(rounds)

    def start_missing(self, rounds: Sequence[AlignmentRound]) -> int:
        self.open.append(rounds)
        return len(rounds)
