"""A full read of AWS Organizations beside everything else that happens: events, views, processes, other passes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import uuid4

import pytest

from activities.organizations import MISSING_MAX
from domain.account import Lifecycle
from domain.account_facts import GONE_FROM_THE_LIST, AccountSeen, AlignmentOpened, Departed, Occasion
from domain.account_observing import Departure, ObserveAccounts, RecordDepartures
from domain.account_process import AlignmentRound
from domain.decision import SYSTEM, Accepted, Channel, Command, Event, Organization
from domain.errors import Unavailable
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.aws_script import MANAGEMENT, Answer, Script, account, set_credentials
from tests.activities.passes import EVERY, Passes, account_id, listing
from tests.views.given import allocated, append, vended

NOT_FOUND: Answer = (400, "AccountNotFoundException", "You specified an account that does not exist.")


@pytest.fixture
def passes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Passes]:
    set_credentials(monkeypatch)
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        yield Passes(ledger, database_url)


def described(script: Script) -> list[str]:
    return [request["AccountId"] for operation, request in script.asked if operation == "DescribeAccount"]


def observed(passes: Passes, seen: AccountSeen, minutes: int) -> Accepted:
    """What an event makes us see, so long after the last pass began."""
    command = ObserveAccounts(
        command_id=uuid4(),
        actor=SYSTEM,
        channel=Channel.WORKFLOW,
        organization_id="o-exampleorg",
        management_account_id=MANAGEMENT,
        accounts=(seen,),
        observed_at=passes.at + timedelta(minutes=minutes),
        source="MoveAccount",
    )
    return accepted(passes.ledger, command)


def left(passes: Passes, number: int, minutes: int) -> Accepted:
    """What an event tells, so long after the last pass began."""
    at = passes.at + timedelta(minutes=minutes)
    departure = Departure(account_id=account_id(number), how="Left", at=at)
    command = RecordDepartures(
        command_id=uuid4(), actor=SYSTEM, channel=Channel.WORKFLOW, departures=(departure,), observed_at=at
    )
    return accepted(passes.ledger, command)


def accepted(ledger: Ledger, command: Command) -> Accepted:
    outcome = ledger.record(command)
    assert isinstance(outcome, Accepted)
    return outcome


def aligned(number: int) -> list[Event]:
    return [vended(account_id(number)), allocated(account_id(number), date(2026, 1, 1), Checkout="100")]


def test_an_account_that_is_gone_from_the_list_is_asked_for_before_it_counts_as_gone(passes: Passes) -> None:
    passes.knows(2, 3)
    script = listing(account(3), DescribeAccount=NOT_FOUND)
    result = passes(script)
    assert described(script) == [account_id(2)]
    assert (result.accounts, result.recorded, result.departed) == (2, 0, 1)
    assert result.position == passes.ledger.settled_head()
    departed = Departed(account_id=account_id(2), how=GONE_FROM_THE_LIST, at=passes.at, source="sync")
    assert departed in passes.facts(2)
    assert passes.names(2) == ["Vended", "AlignmentOpened", "Departed", "AlignmentEnded"]
    assert (passes.lifecycle(2), passes.lifecycle(3)) == (Lifecycle.DEPARTED, Lifecycle.VENDED)
    assert (passes.starter.rounds, passes.starter.over) == ([], [(account_id(2), 1)])


def test_an_account_that_is_there_after_all_has_not_departed(passes: Passes) -> None:
    passes.knows(2)
    head = passes.ledger.settled_head()
    script = listing(DescribeAccount={"Account": account(2)})
    assert passes(script).departed == 0
    assert described(script) == [account_id(2)]
    assert passes.ledger.settled_head() == head


def test_views_that_have_not_heard_of_a_departure_change_nothing(passes: Passes) -> None:
    passes.knows(2, 3)
    gone = listing(DescribeAccount=NOT_FOUND)
    assert passes(listing(account(3), DescribeAccount=NOT_FOUND)).departed == 1
    assert (passes(gone).departed, passes(gone).departed) == (1, 0)
    assert (passes.names(2).count("Departed"), passes.names(3).count("Departed")) == (1, 1)


def test_a_suspended_account_that_is_gone_was_closed(passes: Passes) -> None:
    passes.knows(2)
    passes(listing(account(2, State="SUSPENDED")))
    assert passes.lifecycle(2) is Lifecycle.SUSPENDED
    passes(listing(DescribeAccount=NOT_FOUND))
    assert passes.lifecycle(2) is Lifecycle.CLOSED
    assert passes.names(2) == ["Vended", "AlignmentOpened", "Changed", "Departed", "AlignmentEnded"]


def test_the_process_of_an_account_that_was_closed_is_told_so(passes: Passes) -> None:
    passes.knows(2)
    result = passes(listing(account(2, State="CLOSED")))
    assert passes.names(2)[-2:] == ["Changed", "AlignmentEnded"]
    assert (result.opened, passes.starter.rounds, passes.starter.over) == (0, [], [(account_id(2), 1)])


def test_an_account_that_comes_back_is_asked_about_again(passes: Passes) -> None:
    passes.knows(2)
    passes(listing(DescribeAccount=NOT_FOUND))
    result = passes(listing(account(2)))
    assert (result.recorded, result.opened) == (1, 1)
    assert passes.names(2)[-2:] == ["Returned", "AlignmentOpened"]
    opened = AlignmentOpened(account_id=account_id(2), occasion=2, reason=Occasion.RETURNED)
    assert passes.facts(2)[-1] == opened
    assert passes.starter.rounds == [(account_id(2), 2)]
    assert passes(listing(account(2))).recorded == 0


def test_so_many_missing_accounts_are_asked_for_in_one_pass_and_the_rest_in_the_next(passes: Passes) -> None:
    numbers = range(2, MISSING_MAX + 3)
    append(passes.url, [vended(account_id(number)) for number in numbers])
    passes.present = [account_id(number) for number in numbers]
    first = listing(DescribeAccount=NOT_FOUND)
    assert (passes(first).departed, len(described(first))) == (MISSING_MAX, MISSING_MAX)
    passes.present = passes.present[MISSING_MAX:]
    second = listing(DescribeAccount=NOT_FOUND)
    assert (passes(second).departed, described(second)) == (1, [account_id(MISSING_MAX + 2)])


def test_a_list_without_its_management_account_is_not_believed(passes: Passes) -> None:
    passes.knows(2, 3)
    head = passes.ledger.settled_head()
    script = Script(ListAccounts={"Accounts": [account(3)]}, DescribeAccount=NOT_FOUND)
    error = passes.fails(script)
    assert error.message == (
        "AWS lists the accounts without their management account 000000000001: the list is not whole. It will be read "
        "again."
    )
    assert (error.type, error.non_retryable) == ("Unavailable", False)
    assert (described(script), passes.ledger.settled_head(), passes.starter.open) == ([], head, [])
    assert passes(listing(account(2), account(3))).departed == 0


def test_a_list_that_breaks_off_departs_nobody(passes: Passes) -> None:
    passes.knows(2)
    head = passes.ledger.settled_head()
    script = Script(
        ListAccounts=[{"Accounts": [account(1)], "NextToken": "one"}, (400, "AccessDeniedException", "no")],
        DescribeAccount=NOT_FOUND,
    )
    assert passes.fails(script).type == "BadInput"
    assert (described(script), passes.ledger.settled_head()) == ([], head)


@pytest.mark.parametrize(("minutes", "recorded"), [(1, 0), (-1, 1)], ids=["overtaken", "not overtaken"])
def test_a_page_that_was_read_before_an_event_does_not_undo_it(passes: Passes, minutes: int, recorded: int) -> None:
    """The control: what an event told before the pass began is overtaken by the pass."""
    passes.knows(2)
    known = passes.state(2).seen
    assert known is not None
    moved = known.model_copy(update={"ou_path": "/Workloads"})
    of_next_pass = EVERY // timedelta(minutes=1) + minutes
    assert observed(passes, moved, of_next_pass).events == 1
    script = listing(account(2))
    result = passes(script)
    assert (result.recorded, result.tag_calls) == (recorded, recorded)
    now = passes.state(2).seen
    assert now is not None
    assert now.ou_path == ("/" if recorded else "/Workloads")
    assert passes(listing(account(2))).recorded == 1 - recorded  # the next pass sees what is so


@pytest.mark.parametrize(("minutes", "recorded"), [(1, 0), (-1, 1)], ids=["overtaken", "not overtaken"])
def test_a_page_that_was_read_before_a_departure_does_not_bring_the_account_back(
    passes: Passes, minutes: int, recorded: int
) -> None:
    passes.knows(2)
    assert left(passes, 2, EVERY // timedelta(minutes=1) + minutes).events == 2
    assert passes(listing(account(2))).recorded == recorded
    assert (passes.state(2).departed_at is None) is bool(recorded)


def test_an_account_that_an_event_has_shown_since_the_pass_began_is_not_gone(passes: Passes) -> None:
    passes.knows(2)
    seen = passes.state(2).seen
    assert seen is not None
    observed(passes, seen.model_copy(update={"name": "shop"}), EVERY // timedelta(minutes=1) + 1)
    assert passes(listing(DescribeAccount=NOT_FOUND)).departed == 0
    assert passes(listing(DescribeAccount=NOT_FOUND)).departed == 1


def test_accounts_that_were_known_before_there_were_alignments_get_theirs(passes: Passes) -> None:
    """Of a ledger that an earlier release has written: first sights, and one allocation."""
    script = listing(account(2), account(3))
    append(passes.url, [vended(MANAGEMENT), vended(account_id(2)), *aligned(3)])
    result = passes(script)
    assert result.opened == 2
    assert passes.names(2) == ["Vended", "Changed", "AlignmentOpened"]
    assert "AlignmentOpened" not in passes.names(3)
    assert sorted(passes.starter.rounds) == [(MANAGEMENT, 1), (account_id(2), 1)]
    again = passes(script)
    assert (again.recorded, again.opened, again.tag_calls) == (0, 0, 0)


def test_the_starter_is_given_what_was_opened_and_then_all_that_is_open(passes: Passes) -> None:
    """In the list, as the ledger knows it; and of accounts that are not in the list, as the views show it."""
    passes.open = [AlignmentRound(account_id=account_id(77), occasion=3)]
    result = passes(listing(account(2)))
    assert passes.starter.rounds == [(MANAGEMENT, 1), (account_id(2), 1)]
    assert passes.starter.open == [passes.open]
    assert (result.opened, result.started) == (2, 3)
    second_time = AlignmentRound(account_id=account_id(2), occasion=2)  # views that know of another occasion
    passes.open = [*passes.open, second_time]
    passes(listing(account(2)))
    now_open = {(one.account_id, one.occasion) for one in passes.starter.open[-1]}
    assert now_open == {(MANAGEMENT, 1), (account_id(2), 1), (account_id(77), 3)}


def test_a_change_of_an_account_that_waits_makes_its_process_look_again(passes: Passes) -> None:
    append(passes.url, aligned(3))
    passes.knows(2, 3)
    result = passes(listing(account(2, Name="shop"), account(3, Name="shop")))
    assert (result.recorded, result.opened) == (2, 0)
    assert passes.starter.rounds == [(account_id(2), 1)]


def test_what_was_recorded_and_not_started_is_started_by_the_next_try(passes: Passes) -> None:
    passes.starter.failures.append(Unavailable("Temporal does not answer."))
    assert passes.fails(listing(account(2))).type == "Unavailable"
    assert passes.names(2) == ["Vended", "AlignmentOpened"]
    result = passes(listing(account(2)))  # though the views show nothing of it yet
    assert (result.recorded, result.opened, result.started) == (0, 0, 2)
    assert [AlignmentRound(account_id=account_id(n), occasion=1) for n in (1, 2)] == passes.starter.open[0]
