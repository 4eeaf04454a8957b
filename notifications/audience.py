"""Who is told: an audience as persons, with those to whom they have delegated and without those who have left."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from psycopg import Cursor

from domain.account import Account, account_stream
from domain.account_facts import AlignmentOpened
from domain.business_days import BusinessCalendar
from domain.decision import Grant, PersonId, States, Stream
from domain.people import OWNERS, Person, person_stream
from domain.schedule import Schedule, schedule_stream
from domain.workload import Workload, workload_stream
from notifications.messages import Audience

_HOLDERS = "SELECT person_id FROM grants WHERE persona = %s AND node = %s"
# Only what somebody is as an owner can be delegated.
_DELEGATES = """
SELECT DISTINCT person_id FROM delegations
WHERE delegated_by = ANY(%s) AND %s BETWEEN first_day AND last_day"""

_PROPOSERS = """
SELECT (fact->>'proposed_by')::uuid FROM audit
WHERE subjects @> ARRAY[%s] AND fact_name = 'account.AllocationProposed' AND fact->>'proposal' = %s
    AND fact->>'proposed_by' IS NOT NULL"""


class Folded(Protocol):
    """What is needed of the ledger."""

    def states(self, streams: Iterable[Stream]) -> States: ...


class Company:
    """The people at one moment of the views; what was looked up once is remembered."""

    def __init__(self, cursor: Cursor[Any], ledger: Folded, business: BusinessCalendar, now: datetime) -> None:
        self._cursor, self._ledger, self._day = cursor, ledger, business.day_of(now)
        self._holding: dict[Grant, frozenset[PersonId]] = {}
        self._submitting: dict[Stream, frozenset[PersonId]] = {}
        self._active: dict[PersonId, bool] = {}

    def members(self, audience: Audience, actor: PersonId) -> list[PersonId]:
        """In a fixed order, each once; never whoever did it."""
        told = set(audience.people)
        for grant in audience.holders:
            told |= self._holders(grant)
        if audience.submitters_too or audience.not_submitters:
            submitters = self._submitters(audience)
            told = told | submitters if audience.submitters_too else told - submitters
        if audience.proposal:
            account_id, number = audience.proposal
            told |= self._persons(_PROPOSERS, [account_id, str(number)])
        return sorted(person for person in told - {actor} if self.is_active(person))

    def is_active(self, person_id: PersonId) -> bool:
        if person_id not in self._active:
            self._active[person_id] = is_active(self._ledger, person_id)
        return self._active[person_id]

    def waits(self, opened: AlignmentOpened) -> bool:
        """Whether somebody still has to say where the account belongs: a rule may have done so at once."""
        stream = account_stream(opened.account_id)
        account: Account = self._ledger.states([stream])[stream]
        return account.is_open and account.occasion == opened.occasion

    def _holders(self, grant: Grant) -> frozenset[PersonId]:
        if grant not in self._holding:
            holders = self._persons(_HOLDERS, [grant.persona.value, str(grant.node)])
            if holders and grant.persona in OWNERS:
                holders |= self._persons(_DELEGATES, [list(holders), self._day])
            self._holding[grant] = holders
        return self._holding[grant]

    def _submitters(self, audience: Audience) -> frozenset[PersonId]:
        """As the ledger knows them now: an event of the past does not name them."""
        if audience.schedule:
            stream = schedule_stream(*audience.schedule)
        elif audience.workload:
            stream = workload_stream(*audience.workload)
        else:
            return frozenset()
        if stream not in self._submitting:
            subject: Schedule | Workload = self._ledger.states([stream])[stream]
            self._submitting[stream] = subject.submitters
        return self._submitting[stream]

    def _persons(self, query: str, parameters: list[Any]) -> frozenset[PersonId]:
        rows: list[tuple[UUID]] = self._cursor.execute(query.encode(), parameters).fetchall()
        return frozenset(PersonId(person_id) for (person_id,) in rows)


def is_active(ledger: Folded, person_id: PersonId) -> bool:
    """Whether somebody is known here and has not been deactivated."""
    stream = person_stream(person_id)
    person: Person = ledger.states([stream])[stream]
    return person.registered and not person.deactivated
