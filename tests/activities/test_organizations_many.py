"""What a full read of many accounts costs AWS and us: calls are counted, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import batched
from typing import Any

import pytest

from activities.aws_organizations import PAGE_SIZE
from domain.account import ORGANIZATION_STREAM, account_stream
from domain.account_facts import AlignmentOpened, Occasion, OrganizationSeen, Vended
from domain.account_process import SyncResult
from domain.decision import Event, Organization
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.aws_script import JOINED, MANAGEMENT, Answer, Script, account, set_credentials
from tests.activities.passes import Passes, account_id
from tests.views.given import append

SOME, MANY = 1_000, 10_000
CALLS_MAX = 501
"""For many accounts: a call for each full page, and one for the organization."""


@pytest.fixture
def passes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Passes]:
    set_credentials(monkeypatch)
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        yield Passes(ledger, database_url)


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


def ran(passes: Passes, count: int, **how: Any) -> tuple[Script, SyncResult]:
    script = Script(ListAccounts=pages(count, **how))
    return script, passes(script)


def test_where_nothing_is_new_only_the_list_is_read(passes: Passes) -> None:
    append(passes.url, known(SOME))
    head = passes.ledger.settled_head()
    script, result = ran(passes, SOME)
    pages_read = SOME // PAGE_SIZE
    assert result == SyncResult(accounts=SOME, calls=pages_read + 1, list_calls=pages_read, started=SOME)
    assert set(script.operations()) == {"DescribeOrganization", "ListAccounts"}
    assert passes.ledger.settled_head() == head


def test_empty_pages_hide_nobody(passes: Passes) -> None:
    append(passes.url, known(SOME - 1))
    script, result = ran(passes, SOME, empty_after=(0, 7, 8))
    assert (result.accounts, result.recorded, result.opened) == (SOME, 1, 1)
    assert (result.list_calls, result.tag_calls) == (SOME // PAGE_SIZE + 3, 1)
    assert script.asked[-1] == ("ListTagsForResource", {"ResourceId": account_id(SOME)})


def test_tags_are_read_of_those_that_are_new_or_changed_alone(passes: Passes) -> None:
    append(passes.url, known(SOME - 2))
    script, result = ran(passes, SOME, **{account_id(500): {"Name": "renamed"}})
    asked = {request["ResourceId"] for operation, request in script.asked if operation == "ListTagsForResource"}
    assert asked == {account_id(500), account_id(SOME - 1), account_id(SOME)}
    assert (result.recorded, result.opened, result.tag_calls, result.skipped, result.departed) == (3, 2, 3, 0, 0)


def test_what_aws_throttled_and_what_is_not_ready_is_told(passes: Passes) -> None:
    append(passes.url, known(PAGE_SIZE))
    slow: Answer = (400, "TooManyRequestsException", "slow down")
    pending = account(PAGE_SIZE + 1, State="PENDING_ACTIVATION", JoinedTimestamp=None)
    first, *_ = pages(PAGE_SIZE)
    assert isinstance(first, dict)
    result = passes(Script(ListAccounts=[slow, {**first, "Accounts": [*first["Accounts"], pending]}]))
    expected = SyncResult(accounts=PAGE_SIZE + 1, calls=3, list_calls=2, throttled=1, skipped=1, started=PAGE_SIZE)
    assert result == expected


def test_ten_thousand_accounts_cost_a_call_for_each_page(passes: Passes) -> None:
    append(passes.url, known(MANY))
    script, result = ran(passes, MANY)
    assert (result.accounts, result.recorded, result.tag_calls, result.departed) == (MANY, 0, 0, 0)
    assert result.calls == len(script.asked) <= CALLS_MAX
