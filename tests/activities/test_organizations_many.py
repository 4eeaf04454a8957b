"""What a full read of many accounts costs AWS and us: calls are counted, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from activities.aws_organizations import PAGE_SIZE
from domain.account_process import SyncResult
from domain.decision import Organization
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.aws_script import Answer, Script, account, set_credentials
from tests.activities.many_accounts import known, pages
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
