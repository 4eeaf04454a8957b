"""Sends what is due in one channel, row by row: claimed, sent, marked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from domain.decision import PersonId
from notifications.audience import Folded, is_active
from notifications.outbox import FAILURES_IN_A_ROW_MAX, ROOM, Claimed, Outbox
from notifications.senders import Message, NotSentError, Sender, is_one_address

log = logging.getLogger(__name__)


class Sent(NamedTuple):
    sent: int = 0
    not_sent: int = 0
    skipped: int = 0


NOTHING_SENT = Sent()


class Delivery:
    """One channel's way out."""

    def __init__(self, channel: str, sender: Sender, outbox: Outbox, ledger: Folded) -> None:
        self._channel, self._sender, self._outbox, self._ledger = channel, sender, outbox, ledger

    def send(self, goes_on: Callable[[], bool]) -> Sent:
        """Until nothing is due, it has failed too often in a row, or somebody else's time comes."""
        sent = not_sent = skipped = 0
        while goes_on() and (row := self._outbox.claim(self._channel)):
            to, why_not = self._address(row)
            if why_not:
                self._outbox.skip(row, why_not)
                log.warning("Channel %s: event %s is not sent: %s", self._channel, row.event_id, why_not)
                skipped += 1
                continue
            try:
                self._sender.send(Message(str(row.event_id), row.subject, row.body, to))
            except NotSentError as error:
                not_sent += 1
                if self._failed(row, str(error)) >= FAILURES_IN_A_ROW_MAX:
                    break
            else:
                self._outbox.sent(row)
                sent += 1
        return Sent(sent, not_sent, skipped)

    def _failed(self, row: Claimed, error: str) -> int:
        """How many tries have failed in a row."""
        status, in_a_row = self._outbox.not_sent(row, error)
        if status == "failed":
            log.error("Channel %s: event %s was given up: %s", self._channel, row.event_id, error)
        else:
            log.warning("Channel %s: event %s, try %d: %s", self._channel, row.event_id, row.attempts, error)
        return in_a_row

    def _address(self, row: Claimed) -> tuple[str, str]:
        """Where to, or else why not."""
        if not self._sender.per_person:
            return "", ""
        if row.recipient == ROOM:
            return "", "this channel writes to persons, and none is named"
        person_id = PersonId(UUID(row.recipient))
        if not is_active(self._ledger, person_id):
            return "", "the person is not active any more"
        address = self._outbox.address(person_id)
        if address is None or not is_one_address(address):
            return "", "the person has no usable e-mail address"
        return address, ""
