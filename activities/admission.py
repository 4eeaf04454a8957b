"""Who comes in: what a message to a process may claim, and whether its sender may do what they ask for.

Whoever may use Temporal can start a process by hand and write into its message what they like. So no message makes its
sender the system: that is Allot only where an activity says so itself, as the one that reads AWS Organizations does.
"""

from __future__ import annotations

from collections.abc import Callable

from domain.decision import INTERNAL_CHANNELS, SYSTEM_ID, Actor, Channel
from domain.errors import Forbidden, NotFound, Refusal
from domain.people import person_stream
from ledger.ledger import Ledger


def door(claimed: Channel) -> Channel:
    """The channel of a message; where it claims one of Allot's own, the ledger must not believe it."""
    return Channel.UPDATE if claimed in INTERNAL_CHANNELS else claimed


def refusal_beforehand(
    ledger: Ledger, reference: str, channel: Channel, require: Callable[[Actor], None]
) -> Refusal | None:
    """Why the command would be refused to this actor, asked before costly or lasting work is done for it.

    Only the ledger's own answer counts, when the command is recorded; this one spares the work.
    """
    person_id = ledger.people.find(reference)
    if person_id is None:
        return NotFound(
            "Whoever asks for this is not known here: check the address, "
            "or ask a Financial Admin to add it with `allot person add`.",
            code="UnknownPerson",
        )
    if person_id == SYSTEM_ID and channel not in INTERNAL_CHANNELS:
        return Forbidden("Nobody outside may act as the system: name yourself as the actor.", code="SystemActor")
    stream = person_stream(person_id)
    try:
        require(Actor(person_id, ledger.states([stream])[stream].grants))
    except Refusal as refusal:
        return refusal
    return None
