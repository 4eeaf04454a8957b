"""Account events from the queue into the ledger: against a stand-in for SQS and Organizations over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from time import monotonic, sleep

import pytest

from activities.account_events import UNKNOWN_AGAIN_S, UNKNOWN_TRIES_MAX
from domain.account_facts import AlignmentOpened, Departed, Occasion, Vended
from domain.account_trouble import MessageRejected, VendingFailed
from domain.decision import SYSTEM_ID, Channel, Organization
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.aws_script import JOINED, Answer, Script, account
from tests.activities.intake import Intake, told
from tests.domain.account_event_samples import NAMES, in_event_bridge, in_sns, record, sample

CREATED = "organizations_CreateAccountResult_SUCCEEDED"
FAILED = "organizations_CreateAccountResult_FAILED"
LEFT = "organizations_AccountDepartedOrganization_left"
MOVED = "organizations_MoveAccount"
JOINING = [
    CREATED,
    "controltower_CreateManagedAccount_SUCCEEDED",
    "controltower_UpdateManagedAccount_SUCCEEDED",
    "organizations_AccountJoinedOrganization_created",
    "organizations_AccountJoinedOrganization_invited",
    "organizations_AcceptHandshake_invitation",
]
DEPARTING = {
    LEFT: "Left",
    "organizations_AccountDepartedOrganization_removed": "Removed",
    "organizations_AccountDepartedOrganization_cleaned": "Cleaned",
    "organizations_RemoveAccountFromOrganization": "Removed",
    "organizations_LeaveOrganization": "Left",
}
OF_NO_ACCOUNT = [
    "organizations_CreateOrganizationalUnit",
    "organizations_TagResource_unit",
    "organizations_CloseAccount_refused",
]
ID = f"{2:012}"
NOT_FOUND: Answer = (400, "AccountNotFoundException", "You specified an account that does not exist.")
type Doing = Callable[[Intake, str], object]
CHANGING: dict[str, tuple[Doing, str]] = {
    MOVED: (lambda intake, account_id: intake.move(account_id, "Lab"), "ou_path"),
    "organizations_CloseAccount": (lambda intake, one: intake.organization.close_account(AccountId=one), "state"),
    "organizations_CloseAccountResult_SUCCEEDED": (
        lambda intake, one: intake.organization.close_account(AccountId=one),
        "state",
    ),
    "organizations_TagResource_account": (
        lambda intake, one: intake.organization.tag_resource(ResourceId=one, Tags=[{"Key": "a", "Value": "b"}]),
        "tags",
    ),
    "organizations_UntagResource_account": (
        lambda intake, one: intake.organization.untag_resource(ResourceId=one, TagKeys=["team"]),
        "tags",
    ),
}


@pytest.fixture
def intake(aws_endpoint: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Intake]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        yield Intake(ledger, database_url, monkeypatch)


def name_of(sample_name: str) -> str:
    return str(record(sample_name)["eventName"])


@pytest.mark.parametrize("sample_name", JOINING)
def test_an_account_is_known_and_asked_about_as_soon_as_it_is_told_of(intake: Intake, sample_name: str) -> None:
    account_id = intake.vend()
    report = intake(told(sample_name, account_id))
    assert (report.handled, report.recorded, report.ignored, report.rejected, report.retried) == (1, 1, 0, 0, 0)
    assert intake.names(account_id) == ["Vended", "AlignmentOpened"]
    vended = intake.last(account_id)
    assert (vended.name, vended.ou_path, vended.tags) == ("shop", "/", {"team": "shop"})
    assert vended.source == name_of(sample_name)
    assert intake.starter.rounds == [(account_id, 1)]
    assert intake.left() == 0


@pytest.mark.parametrize("sample_name", CHANGING)
def test_what_has_changed_is_looked_up(intake: Intake, sample_name: str) -> None:
    account_id = intake.vend()
    intake.knows(account_id)
    doing, field = CHANGING[sample_name]
    doing(intake, account_id)
    assert intake(told(sample_name, account_id)).recorded == 1
    changed = intake.facts(account_id)[-1]
    assert (changed.fact_name, getattr(changed, "changed", None)) == ("account.Changed", (field,))
    assert intake.last(account_id).source == name_of(sample_name)


@pytest.mark.parametrize("sample_name", DEPARTING)
def test_an_account_that_left_has_departed(intake: Intake, sample_name: str) -> None:
    account_id = intake.vend()
    intake.knows(account_id)
    intake.remove(account_id)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    assert intake(told(sample_name, account_id, at)).recorded == 1
    (departed,) = [fact for fact in intake.facts(account_id) if isinstance(fact, Departed)]
    assert (departed.how, departed.source) == (DEPARTING[sample_name], name_of(sample_name))
    assert departed.at <= at
    assert intake.names(account_id) == ["Vended", "AlignmentOpened", "Departed", "AlignmentEnded"]
    assert (intake.starter.rounds, intake.starter.over, intake.left()) == ([], [(account_id, 1)], 0)


def test_what_is_recorded_says_which_process_has_seen_it(intake: Intake) -> None:
    account_id = intake.vend()
    intake(told(CREATED, account_id))
    opened = AlignmentOpened(account_id=account_id, occasion=1, reason=Occasion.FIRST_SIGHT)
    (event,) = [event for event in intake.ledger.follow(0, 10) if event.fact == opened]
    assert (event.actor, event.channel, event.workflow_id) == (SYSTEM_ID, Channel.WORKFLOW, "test")


def test_every_event_twice_and_late_changes_nothing_more(intake: Intake) -> None:
    account_id = intake.vend()
    intake.knows(account_id)
    intake.move(account_id, "Lab")
    intake.organization.tag_resource(ResourceId=account_id, Tags=[{"Key": "a", "Value": "b"}])
    names = (*JOINING, *CHANGING)
    bodies = [told(name, account_id) for name in names]
    intake(*bodies)
    assert intake.names(account_id) == ["Vended", "AlignmentOpened", "Changed"]
    head, before = intake.ledger.settled_head(), datetime.now(UTC) - timedelta(days=3)
    report = intake(*bodies, *reversed(bodies), *[told(name, account_id, before) for name in names])
    assert (report.handled, report.recorded, report.rejected) == (3 * len(bodies), 0, 0)
    assert intake.ledger.settled_head() == head


def test_a_late_event_of_an_account_that_has_left_changes_nothing(intake: Intake) -> None:
    account_id = intake.vend()
    intake.knows(account_id)
    intake.remove(account_id)
    later = datetime.now(UTC) + timedelta(seconds=1)
    intake(told(LEFT, account_id, later))
    head = intake.ledger.settled_head()
    report = intake(*[told(name, account_id) for name in (CREATED, MOVED, *DEPARTING)])
    assert (report.handled, report.recorded, report.rejected, report.retried) == (2 + len(DEPARTING), 0, 0, 0)
    assert intake.ledger.settled_head() == head


@pytest.mark.parametrize("sample_name", DEPARTING)
def test_an_account_that_is_there_has_not_departed_whatever_an_event_says(intake: Intake, sample_name: str) -> None:
    account_id = intake.vend()
    intake.knows(account_id)
    head = intake.ledger.settled_head()
    assert (intake(told(sample_name, account_id)).handled, intake.ledger.settled_head()) == (1, head)


def test_a_departure_of_an_account_that_nobody_knew_is_no_news(intake: Intake) -> None:
    report = intake(told(LEFT, "444455556666"))
    assert (report.handled, report.recorded, intake.left()) == (1, 0, 0)
    assert intake.facts("444455556666") == []


def test_an_event_is_understood_in_whatever_it_is_wrapped(intake: Intake) -> None:
    bare = json.loads(told(CREATED, intake.vend("one")))
    bridged = in_event_bridge(json.loads(told(CREATED, intake.vend("two"))))
    notified = in_sns(json.dumps(in_event_bridge(json.loads(told(CREATED, intake.vend("three"))))))
    report = intake(*map(json.dumps, (bare, bridged, notified)))
    assert (report.handled, report.recorded) == (3, 3)
    assert sorted(vended.name for vended in intake.all_of(Vended)) == ["one", "three", "two"]


def test_what_is_of_no_account_is_deleted_and_counted(intake: Intake) -> None:
    head = intake.ledger.settled_head()
    report = intake(*map(sample, OF_NO_ACCOUNT))
    assert (report.handled, report.ignored, report.recorded) == (3, 3, 0)
    assert (intake.left(), intake.ledger.settled_head()) == (0, head)


def test_every_sample_of_an_event_comes_to_an_end(intake: Intake) -> None:
    """Whatever AWS sends: the queue is empty afterwards, and nothing was put aside but accounts that nobody has."""
    report = intake(*map(sample, NAMES))
    assert intake.left() == 0
    assert report.handled + report.rejected == len(NAMES)
    assert {why.partition(" account ")[0] for _, why in intake.dead()} == {"AWS Organizations does not know"}


def test_an_account_that_could_not_be_created_is_recorded_once(intake: Intake) -> None:
    intake(sample(FAILED), sample(FAILED))
    assert intake(sample(FAILED)).recorded == 0
    (failed,) = intake.all_of(VendingFailed)
    assert (failed.request, failed.reason) == ("car-00000000000000000000000000000001", "EMAIL_ALREADY_EXISTS")
    assert failed.at == datetime(2026, 3, 2, 10, 7, 14, tzinfo=UTC)
    assert (intake.left(), intake.starter.rounds) == (0, [])


def test_another_reason_for_the_same_failed_request_holds_up_nobody(intake: Intake) -> None:
    another = sample(FAILED).replace("EMAIL_ALREADY_EXISTS", "INTERNAL_FAILURE")
    assert intake(sample(FAILED), another).handled == 2
    assert [failed.reason for failed in intake.all_of(VendingFailed)] in (
        ["EMAIL_ALREADY_EXISTS"],
        ["INTERNAL_FAILURE"],
    )


def test_an_account_that_aws_does_not_show_yet_is_asked_for_again_ever_later(intake: Intake) -> None:
    body = told(CREATED, "444455556666")
    report = intake(body)
    assert (report.handled, report.retried, report.rejected) == (0, UNKNOWN_TRIES_MAX - 1, 1)
    assert intake.wire.delays == [UNKNOWN_AGAIN_S * tries for tries in range(1, UNKNOWN_TRIES_MAX)]
    reason = (
        "AWS Organizations does not know account 444455556666, after 5 tries. The next full read finds it if it is "
        "there."
    )
    assert report.last_rejection == reason
    assert intake.dead() == [(body, reason)]
    (rejected,) = intake.all_of(MessageRejected)
    assert (rejected.reason, json.loads(rejected.excerpt)) == (reason, json.loads(body))
    assert intake.left() == 0


def test_an_account_that_aws_shows_late_is_known_then(intake: Intake) -> None:
    described = [NOT_FOUND, NOT_FOUND, {"Account": account(2)}]
    intake.asked = Script(DescribeAccount=described).client
    report = intake(told(CREATED, ID))
    assert (report.handled, report.recorded, report.retried, report.rejected) == (1, 1, 2, 0)
    assert intake.names(ID) == ["Vended", "AlignmentOpened"]


def test_an_account_that_aws_has_not_finished_creating_has_joined_when_it_was_told_of(intake: Intake) -> None:
    pending = account(2, State="PENDING_ACTIVATION", Status=None, JoinedTimestamp=None)
    at = datetime(2026, 6, 10, 12, tzinfo=UTC)
    intake.asked = Script(DescribeAccount={"Account": pending}).client
    intake(told(CREATED, ID, at))
    assert (intake.last(ID).state, intake.last(ID).joined_at) == ("PENDING_ACTIVATION", at)
    later, earlier = at + timedelta(minutes=3), at - timedelta(minutes=3)
    report = intake(*[told("controltower_CreateManagedAccount_SUCCEEDED", ID, when) for when in (later, earlier)])
    assert (report.handled, report.recorded) == (2, 0)
    intake.asked = Script(DescribeAccount={"Account": account(2)}).client
    intake(told(CREATED, ID, at))
    assert intake.last(ID).joined_at == datetime.fromtimestamp(JOINED, UTC)


def test_the_worker_stops_without_waiting_for_a_message(intake: Intake) -> None:
    thread = Thread(target=intake)
    begun = monotonic()
    thread.start()
    sleep(0.5)
    assert thread.is_alive()  # the control: it would wait for minutes
    intake.environment.worker_shutdown()
    thread.join(10)
    assert not thread.is_alive()
    assert monotonic() - begun < 10


def test_without_a_queue_in_its_settings_a_worker_says_so(intake: Intake) -> None:
    intake.place = None
    assert not intake().configured
