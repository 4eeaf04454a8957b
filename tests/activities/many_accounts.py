"""Very many accounts, as Organizations lists them and as a full read has recorded them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import batched
from typing import Any

from activities.aws_organizations import PAGE_SIZE
from domain.account import ORGANIZATION_STREAM, account_stream
from domain.account_facts import AlignmentOpened, Occasion, OrganizationSeen, Vended
from domain.decision import Event
from tests.activities.aws_script import JOINED, MANAGEMENT, Answer, account
from tests.activities.passes import account_id


def known(count: int) -> list[Event]:
    """What a pass over so many accounts has recorded."""
    seen = OrganizationSeen(organization_id="o-exampleorg", management_account_id=MANAGEMENT)
    return [Event(ORGANIZATION_STREAM, seen), *(event for n in range(1, count + 1) for event in first_sight(n))]


def first_sight(number: int) -> tuple[Event, Event]:
    told = account(number)
    vended = Vended(
        account_id=account_id(number),
        name=str(told["Name"]),
        email=str(told["Email"]),
        state="ACTIVE",
        joined_method="CREATED",
        joined_at=datetime.fromtimestamp(JOINED, UTC),
        ou_path="/",
        tags={},
        source="sync",
        observed_at=datetime(2026, 6, 10, tzinfo=UTC),
    )
    opened = AlignmentOpened(account_id=account_id(number), occasion=1, reason=Occasion.FIRST_SIGHT)
    stream = account_stream(account_id(number))
    return Event(stream, vended), Event(stream, opened)


def pages(count: int, *, empty_after: tuple[int, ...] = (), **changes: dict[str, object]) -> list[Answer]:
    """Full ones; after some of them comes one without accounts, and with a token."""
    told: list[dict[str, Any]] = []
    for number, page in enumerate(batched(range(1, count + 1), PAGE_SIZE)):
        told.append({"Accounts": [account(n, **changes.get(account_id(n), {})) for n in page]})
        if number in empty_after:
            told.append({"Accounts": []})
    for number, page_told in enumerate(told[:-1]):
        page_told["NextToken"] = f"page {number + 1}"
    return [*told]
