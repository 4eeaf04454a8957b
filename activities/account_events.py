"""The activity of AccountEvents: messages about accounts from the queue become part of the accounts' history.

An event is a hint: which account it is about, and that something happened to it. How the account is now is asked of AWS
Organizations, so that an event that comes late, twice or out of order changes nothing. A message is deleted once its
effect is recorded and the process of the alignment is started; one that nobody can make sense of is put aside, with the
reason, and stops nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid5

import psycopg
from temporalio import activity
from temporalio.exceptions import FailureError

from activities.account_event_queue import EventQueue, QueueMessage
from activities.account_sight import seen_as
from activities.alignment_starting import Starts
from activities.aws_access import AwsAccess
from activities.aws_organizations import OrganizationIds, OrganizationReader, aws_errors
from activities.contracts import ACCOUNT_EVENTS_WATCH, AccountEventsReport, ActivityName
from activities.heartbeats import Beat, beating
from activities.ledger_commands import origin_of_activity, reported
from domain.account import ORGANIZATION_STREAM, Account, AwsOrganization, account_stream
from domain.account_event import AccountEvent, AccountEventKind, Ignored, NotUnderstood, understand
from domain.account_facts import AccountSeen
from domain.account_observing import Departure, ObserveAccounts, RecordDepartures
from domain.account_process import AccountEventsRequest, AlignmentRound
from domain.account_trouble import TEXT_CHARS_MAX, RecordVendingFailure, RejectMessage
from domain.decision import NAMESPACE, SYSTEM, Channel, Command
from domain.errors import AllotError, CommandConflict, Refusal, error_named
from ledger.ledger import Ledger

UNKNOWN_TRIES_MAX = 5
"""Times that an account is asked for which AWS Organizations does not know yet; it may take some seconds."""
UNKNOWN_AGAIN_S = 5
"""Until it is asked for again; longer each time."""
EXCERPT_CHARS_MAX = TEXT_CHARS_MAX
DEPARTURES = frozenset({AccountEventKind.DEPARTED, AccountEventKind.CLOSED})

log = logging.getLogger(__name__)


class QueuePlace(NamedTuple):
    """Where messages come from, by the worker's settings."""

    queue_url: str
    dead_letter_url: str | None = None
    wait_s: int = 20


class Effect(NamedTuple):
    """What a message has led to."""

    events: int = 0
    again_in_s: int = 0
    """Where it is to be tried again; it stays in the queue."""
    reason: str = ""
    """Where it is put aside."""
    ignored: bool = False


class AccountEventIntake:
    """From the queue into the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        access: AwsAccess,
        place: QueuePlace | None,
        starter: Starts,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._access, self._place = ledger, access, place
        self._starter, self._clock = starter, clock

    @activity.defn(name=ActivityName.RECEIVE_ACCOUNT_EVENTS)
    def receive(self, _request: AccountEventsRequest) -> AccountEventsReport:
        """Returns once messages came and were dealt with, or after a while without any."""
        if self._place is None:
            return AccountEventsReport(configured=False)
        with reported(), beating() as beat:
            queue = EventQueue(self._access.sqs(self._place.queue_url), *self._place[:2])
            return self._watch(queue, self._place.wait_s, beat)

    def _watch(self, queue: EventQueue, wait_s: int, beat: Beat) -> AccountEventsReport:
        look = _Look(self._ledger, self._access, self._starter, self._clock)
        report, ends_at = AccountEventsReport(), time.monotonic() + ACCOUNT_EVENTS_WATCH.total_seconds()
        while time.monotonic() < ends_at and not activity.is_worker_shutdown():
            beat.report("waiting for messages", report.handled)
            any_yet = bool(report.handled or report.rejected or report.retried)
            messages = queue.receive(0 if any_yet else wait_s)
            if any_yet and not messages:
                break
            for message in messages:
                report = self._dealt_with(queue, message, look, report)
                beat.report("handling messages", report.handled)
        return report

    def _dealt_with(
        self, queue: EventQueue, message: QueueMessage, look: _Look, report: AccountEventsReport
    ) -> AccountEventsReport:
        effect = self._effect(message, look)
        counted = report.model_copy(update={"last_at": self._clock()})
        if effect.again_in_s:
            queue.retry_in(message, effect.again_in_s)
            return counted.model_copy(update={"retried": report.retried + 1})
        if effect.reason:
            self._put_aside(queue, message, effect.reason)
            more = {"rejected": report.rejected + 1, "last_rejection": effect.reason}
            return counted.model_copy(update=more)
        queue.delete(message)
        return counted.model_copy(
            update={
                "handled": report.handled + 1,
                "recorded": report.recorded + bool(effect.events),
                "ignored": report.ignored + effect.ignored,
            }
        )

    def _effect(self, message: QueueMessage, look: _Look) -> Effect:
        try:
            event = understand(message.body)
        except NotUnderstood as problem:
            return Effect(reason=problem.reason)
        if isinstance(event, Ignored):
            log.info("Message %s (%s) is of no account: %s", message.message_id, event.name, event.why)
            return Effect(ignored=True)
        try:
            with aws_errors():
                return look.at(event, message)
        except (Refusal, CommandConflict) as problem:
            log.exception("What message %s tells could not be recorded", message.message_id)
            return _again(message, f"It could not be recorded ({problem.message})")
        except (AllotError, FailureError, psycopg.Error):  # of AWS, the ledger or a worker that stops: not of a message
            raise
        except Exception as problem:  # whatever is wrong with one message must not hold up the others
            log.exception("Message %s could not be handled", message.message_id)
            return _again(message, f"It could not be handled ({type(problem).__name__})")

    def _put_aside(self, queue: EventQueue, message: QueueMessage, reason: str) -> None:
        """In the ledger first, where everybody sees it; then beside the queue, from where it can be sent again."""
        command = RejectMessage(
            # Of each try: where it could not be put beside the queue, the next one has another reason to tell.
            command_id=_command_id(message, self._clock()),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            message_id=message.message_id,
            reason=_storable(reason),
            excerpt=_storable(message.body),
            sent_at=message.sent_at,
        )
        _record(self._ledger, command)
        queue.to_dead_letters(message, reason)
        queue.delete(message)
        log.warning("Message %s about an account was put aside: %s", message.message_id, reason)


class _Look:
    """Looks at accounts, one at a time, for the messages of a while; what was learned of units holds for it."""

    def __init__(self, ledger: Ledger, access: AwsAccess, starter: Starts, clock: Callable[[], datetime]) -> None:
        self._ledger, self._access, self._starter, self._clock = ledger, access, starter, clock
        self._reader: OrganizationReader | None = None
        self._ids: OrganizationIds | None = None

    def at(self, event: AccountEvent, message: QueueMessage) -> Effect:
        """What the event has led to. Raises AllotError where it is to be tried again later."""
        if event.kind is AccountEventKind.VENDING_FAILED:
            return Effect(_record(self._ledger, _failure(event, message)))
        observed_at, reader = self._clock(), self._organizations()
        account = reader.account(event.account_id)
        if account is None:
            return self._absent(event, message, observed_at)
        path = reader.path_of(account)
        joined_at = self._joined_at(event)
        seen = None if path is None else seen_as(account, path, reader.tags(event.account_id), joined_at)
        if seen is None:  # it moved, or left, while we looked
            return _again(message, f"AWS Organizations shows account {event.account_id} without its place")
        return self._present(event, message, seen, observed_at)

    def _joined_at(self, event: AccountEvent) -> datetime:
        """For an account that AWS has not finished creating. It has joined once, however many events tell of it, and
        not in the future, whatever an event says."""
        known = self._known(event.account_id)
        return known.seen.joined_at if known.seen else min(event.at, self._clock())

    def _present(self, event: AccountEvent, message: QueueMessage, seen: AccountSeen, observed_at: datetime) -> Effect:
        ids = self._organization()
        command = ObserveAccounts(
            command_id=_command_id(message, observed_at),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            organization_id=ids.organization_id,
            management_account_id=ids.management_account_id,
            accounts=(seen,),
            observed_at=observed_at,
            source=event.name,
        )
        events = _record(self._ledger, command)
        self._tell(seen.account_id)
        return Effect(events)

    def _absent(self, event: AccountEvent, message: QueueMessage, observed_at: datetime) -> Effect:
        """It has left, or AWS does not show it yet."""
        known = self._known(event.account_id)
        if event.kind in DEPARTURES and known.seen is not None:
            command = RecordDepartures(
                command_id=_command_id(message, observed_at),
                actor=SYSTEM,
                channel=Channel.WORKFLOW,
                departures=(Departure(account_id=event.account_id, how=event.how or event.name, at=event.at),),
                observed_at=observed_at,
                source=event.name,
            )
            events = _record(self._ledger, command)
            self._tell(event.account_id)
            return Effect(events)
        if event.kind in DEPARTURES or known.departed_at is not None:
            return Effect()  # it was never ours, or what is told has been overtaken
        return _again(message, f"AWS Organizations does not know account {event.account_id}")

    def _tell(self, account_id: str) -> None:
        """The process of its last occasion, new or not: it is started or looks; where the occasion is over, it ends."""
        account = self._known(account_id)
        if not account.occasion:
            return
        last = AlignmentRound(account_id=account_id, occasion=account.occasion)
        if account.is_open:
            self._starter.start([last])
        else:
            self._starter.tell_over([last])

    def _known(self, account_id: str) -> Account:
        account: Account = self._ledger.states([account_stream(account_id)])[account_stream(account_id)]
        return account

    def _organizations(self) -> OrganizationReader:
        """The role is assumed for the first message only: most of the time, there is none."""
        if self._reader is None:
            self._reader = OrganizationReader(self._access.organizations())
        return self._reader

    def _organization(self) -> OrganizationIds:
        """As it is known; asked for where nothing is known yet."""
        if self._ids is None:
            known: AwsOrganization = self._ledger.states([ORGANIZATION_STREAM])[ORGANIZATION_STREAM]
            ids = OrganizationIds(known.organization_id, known.management_account_id)
            self._ids = ids if all(ids) else self._organizations().organization()
        return self._ids


def _again(message: QueueMessage, why: str) -> Effect:
    if message.receive_count >= UNKNOWN_TRIES_MAX:
        return Effect(reason=f"{why}, after {message.receive_count} tries. The next full read finds it if it is there.")
    return Effect(again_in_s=UNKNOWN_AGAIN_S * message.receive_count)


def _failure(event: AccountEvent, message: QueueMessage) -> RecordVendingFailure:
    request = event.request_id or event.event_id or message.message_id
    return RecordVendingFailure(
        command_id=uuid5(NAMESPACE, f"vending/{request}/{message.message_id}"),
        actor=SYSTEM,
        channel=Channel.WORKFLOW,
        request=request,
        account_name=event.account_name,
        account_id=event.account_id,
        reason=event.how or "AWS gives no reason",
        at=event.at,
    )


def _command_id(message: QueueMessage, observed_at: datetime) -> UUID:
    """Another one for each look: a message that comes again is looked at anew."""
    return uuid5(NAMESPACE, f"account-event/{message.message_id}/{observed_at.isoformat()}")


def _record(ledger: Ledger, command: Command) -> int:
    """How many events. A refusal is an error: Allot itself may do all of this."""
    # A cancellation waits for the transaction, so that its outcome is known.
    with activity.shield_thread_cancel_exception():
        outcome = ledger.record(command, origin_of_activity())
    if outcome.kind == "refused":
        raise error_named(outcome.error, outcome.message, outcome.code)
    return outcome.events


def _storable(text: str) -> str:
    """Cut, and without what cannot be stored: control characters but for line breaks, halves of characters."""
    cut = text[:EXCERPT_CHARS_MAX]
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in cut)
