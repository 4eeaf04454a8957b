"""Who comes in: what a message to a process may claim. Whether its sender may do it is asked of the ledger.

Whoever may use Temporal can start a process by hand and write into its message what they like. So no message makes its
sender the system: that is Allot only where an activity says so itself, as the one that reads AWS Organizations does.
"""

from __future__ import annotations

from domain.decision import INTERNAL_CHANNELS, Channel


def door(claimed: Channel) -> Channel:
    """The channel of a message; where it claims one of Allot's own, the ledger must not believe it."""
    return Channel.UPDATE if claimed in INTERNAL_CHANNELS else claimed
