"""Account events when something goes wrong: nothing is lost, nothing doubled, and nobody is held up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.account_event_queue import RECEIVE_MAX
from activities.account_events import EXCERPT_CHARS_MAX, UNKNOWN_TRIES_MAX
from domain.account_facts import Vended
from domain.account_trouble import MessageRejected
from domain.decision import Organization
from domain.errors import Unavailable
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.aws_script import Answer, Script, account
from tests.activities.intake import Intake, told

CREATED = "organizations_CreateAccountResult_SUCCEEDED"
UNKNOWN = "444455556666"
ONCE = ["Vended", "AlignmentOpened"]
NO_JSON = "Expected JSON, found a text that is none at line 1, column 1."


@pytest.fixture
def intake(aws_endpoint: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Intake]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        yield Intake(ledger, database_url, monkeypatch)


def number_of(request: dict[str, Any]) -> int:
    return int(request.get("AccountId") or request["ResourceId"])


def named(request: dict[str, Any]) -> Answer:
    """Three accounts, of which the second one has a name that cannot be stored."""
    number = number_of(request)
    return {"Account": account(number, **({"Name": "a\0b"} if number == 2 else {}))}


def numbered(request: dict[str, Any]) -> Answer:
    """Three accounts, of which the second one has an id that cannot be one."""
    number = number_of(request)
    return {"Account": account(number, **({"Id": "two"} if number == 2 else {}))}


def three() -> list[str]:
    return [told(CREATED, f"{number:012}") for number in (1, 2, 3)]


def vended(intake: Intake) -> list[str]:
    return sorted(fact.account_id for fact in intake.all_of(Vended))


def test_a_message_stays_until_the_ledger_has_its_effect(intake: Intake) -> None:
    account_id = intake.vend()
    intake.ledger_in_trouble()
    error = intake.fails(told(CREATED, account_id))
    assert (error.type, error.non_retryable) == ("Unavailable", False)
    assert (intake.left(), intake.names(account_id), intake.starter.rounds) == (1, [], [])
    intake.ledger_in_trouble(False)
    report = intake()
    assert (report.handled, report.recorded, intake.left()) == (1, 1, 0)
    assert (intake.names(account_id), intake.starter.rounds) == (ONCE, [(account_id, 1)])


def test_a_message_stays_until_the_process_is_started(intake: Intake) -> None:
    account_id = intake.vend()
    intake.starter.failures.append(Unavailable("Temporal does not answer."))
    assert intake.fails(told(CREATED, account_id)).type == "Unavailable"
    assert (intake.left(), intake.names(account_id), intake.starter.rounds) == (1, ONCE, [])
    report = intake()
    assert (report.handled, report.recorded, intake.left()) == (1, 0, 0)
    assert (intake.names(account_id), intake.starter.rounds) == (ONCE, [(account_id, 1)])


def test_a_message_stays_until_the_process_knows_that_it_is_over(intake: Intake) -> None:
    account_id = intake.vend()
    intake.knows(account_id)
    intake.remove(account_id)
    intake.starter.failures.append(Unavailable("Temporal does not answer."))
    left = told("organizations_AccountDepartedOrganization_left", account_id, datetime.now(UTC) + timedelta(seconds=1))
    assert intake.fails(left).type == "Unavailable"
    assert intake.names(account_id) == [*ONCE, "Departed", "AlignmentEnded"]
    assert (intake().recorded, intake.left(), intake.starter.over) == (0, 0, [(account_id, 1)])


def test_a_message_that_could_not_be_deleted_has_its_effect_once(intake: Intake) -> None:
    account_id = intake.vend()
    intake.wire.cut = ["DeleteMessage"]
    assert intake.fails(told(CREATED, account_id)).type == "Unavailable"
    assert (intake.left(), intake.names(account_id)) == (1, ONCE)
    report = intake()
    assert (report.handled, report.recorded, intake.left(), intake.names(account_id)) == (1, 0, 0, ONCE)


def test_what_nobody_understands_is_put_aside_and_stops_nothing(intake: Intake) -> None:
    accounts = [intake.vend(str(number)) for number in range(4)]
    good = [told(CREATED, account_id) for account_id in accounts]
    report = intake(good[0], "hello", good[1], '{"eventName": 7}', good[2], good[3])
    assert (report.handled, report.recorded, report.rejected, report.retried) == (4, 4, 2, 0)
    assert vended(intake) == sorted(accounts)
    reasons = dict(intake.dead())
    assert reasons["hello"] == NO_JSON
    assert reasons['{"eventName": 7}'].startswith("Expected an eventSource of organizations.amazonaws.com or")
    rejected = {fact.excerpt: fact.reason for fact in intake.all_of(MessageRejected)}
    assert rejected == reasons
    assert report.last_rejection in reasons.values()
    assert intake.left() == 0


def test_without_a_place_for_dead_letters_the_ledger_has_them(intake: Intake) -> None:
    assert intake.place is not None
    intake.place = intake.place._replace(dead_letter_url=None)
    assert intake("hello").rejected == 1
    assert [fact.reason for fact in intake.all_of(MessageRejected)] == [NO_JSON]
    assert (intake.left(), intake.dead()) == (0, [])


def test_a_message_stays_until_it_is_put_aside_in_both_places(intake: Intake) -> None:
    intake.wire.cut = ["SendMessage"]
    intake.fails("hello")
    assert (intake.left(), len(intake.all_of(MessageRejected)), intake.dead()) == (1, 1, [])
    assert intake().rejected == 1
    assert (intake.left(), len(intake.all_of(MessageRejected)), intake.dead()) == (0, 1, [("hello", NO_JSON)])


def test_a_message_may_be_put_aside_for_another_reason_the_second_time(intake: Intake) -> None:
    intake.wire.cut = ["SendMessage"]
    intake.fails(told(CREATED, UNKNOWN))
    assert intake().rejected == 1
    (rejected,) = intake.all_of(MessageRejected)
    assert f"after {UNKNOWN_TRIES_MAX} tries" in rejected.reason
    ((_, reason),) = intake.dead()
    assert f"after {UNKNOWN_TRIES_MAX + 1} tries" in reason
    assert intake.left() == 0


def test_only_the_beginning_of_what_was_sent_is_kept_and_nothing_that_cannot_be_stored(intake: Intake) -> None:
    intake("a\tb\n\u202e" + "x" * EXCERPT_CHARS_MAX)
    (rejected,) = intake.all_of(MessageRejected)
    assert rejected.excerpt == ("a\tb\n\N{REPLACEMENT CHARACTER}" + "x" * EXCERPT_CHARS_MAX)[:EXCERPT_CHARS_MAX]


def test_a_missing_permission_is_named_and_costs_no_message(intake: Intake) -> None:
    account_id = intake.vend()
    denied: Answer = (400, "AccessDeniedException", "not authorized")
    intake.asked = Script(DescribeAccount=denied).client
    error = intake.fails(told(CREATED, account_id))
    assert error.message.startswith(
        "AWS does not allow DescribeAccount: give the worker's role the permission organizations:DescribeAccount"
    )
    assert (error.type, error.non_retryable, error.details) == ("BadInput", True, ("AwsPermissionMissing",))
    assert (intake.left(), intake.dead(), intake.all_of(MessageRejected)) == (1, [], [])
    intake.asked = None
    assert intake().recorded == 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"DescribeAccount": named}, "It could not be recorded (There is a NUL character in a text"),
        ({"DescribeAccount": numbered}, "It could not be handled (ValidationError)"),
    ],
    ids=["refused", "odd"],
)
def test_one_account_that_cannot_be_recorded_holds_up_nobody(
    intake: Intake, answers: dict[str, Any], reason: str
) -> None:
    usual = {"DescribeAccount": lambda request: {"Account": account(number_of(request))}}
    intake.asked = Script(**(usual | answers)).client
    report = intake(*three())
    assert (report.handled, report.retried, report.rejected) == (2, UNKNOWN_TRIES_MAX - 1, 1)
    assert vended(intake) == [f"{number:012}" for number in (1, 3)]
    assert report.last_rejection.startswith(reason)
    assert intake.left() == 0


def test_an_account_on_its_way_is_looked_at_again(intake: Intake) -> None:
    moving: Answer = (400, "ChildNotFoundException", "You specified a child that does not exist.")
    there: Answer = {"Parents": [{"Id": "r-root", "Type": "ROOT"}]}
    script = Script(DescribeAccount={"Account": account(2, Paths=None)}, ListParents=[moving, there])
    intake.asked = script.client
    report = intake(told(CREATED, f"{2:012}"))
    assert (report.handled, report.retried, report.rejected) == (1, 1, 0)
    assert intake.last(f"{2:012}").ou_path == "/"


def test_more_messages_than_come_at_a_time_are_handled_at_once(intake: Intake) -> None:
    accounts = [intake.vend(str(number)) for number in range(RECEIVE_MAX + 2)]
    report = intake(*[told(CREATED, account_id) for account_id in accounts])
    assert (report.handled, report.recorded, intake.left()) == (len(accounts), len(accounts), 0)
    assert vended(intake) == sorted(accounts)


def test_a_queue_that_is_missing_is_named(intake: Intake) -> None:
    assert intake.place is not None
    intake.place = intake.place._replace(queue_url=f"{intake.queue_url}-missing")
    error = intake.fails()
    assert error.message.startswith(f"There is no queue {intake.queue_url}-missing: check ALLOT_ACCOUNT_EVENTS_QUEUE")
    assert (error.type, error.non_retryable, error.details) == ("BadInput", True, ("QueueMissing",))
