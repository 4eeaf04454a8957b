"""Names and messages of all activities: what a workflow may know of them. The code stands in the other modules here."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from temporalio.common import RetryPolicy

from domain.calendar import Month
from domain.decision import Accepted, Channel, Refused
from domain.errors import NEVER_RETRIED
from domain.hierarchy import NodePath
from domain.model import Model
from domain.process import BudgetLoadResult, CostDelivery, ManifestProblem, ScheduleView
from domain.registry import AnyCommand

WAKE_MAX = 10_000
"""Accounts woken by one activity."""


class ActivityName(StrEnum):
    RECORD = "ledger.record"
    RECORD_REFUSAL = "ledger.record_refusal"
    READ_SCHEDULE = "ledger.read_schedule"
    STEP_WAITING = "schedule.step_waiting"
    INFORM_ROUNDS = "schedule.inform_rounds"
    INFORM_HOLDERS = "schedule.inform_holders"
    REGISTER_PERSON = "people.register"
    IMPORT_PEOPLE = "people.import"
    COLLECT_NOTIFICATIONS = "notifications.collect"
    SEND_NOTIFICATIONS = "notifications.send"
    LOAD_BUDGET = "budget.load"
    TAKE_DROPPED = "budget.take_dropped"
    ANSWER_DROPPED = "budget.answer_dropped"
    SYNC_ORGANIZATION = "organizations.sync"
    ALIGN_ACCOUNT = "accounts.align"
    STEP_ALIGNMENT = "accounts.step"
    WAKE_ALIGNMENTS = "accounts.wake"
    RECEIVE_ACCOUNT_EVENTS = "accounts.receive"
    IMPORT_ACCOUNTS = "accounts.import"
    FIND_DELIVERIES = "cost.find_deliveries"
    IMPORT_DELIVERY = "cost.import_delivery"
    RECORD_FIRST_BILLS = "cost.record_first_bills"
    RECEIVE_COST_EVENTS = "cost.receive_events"
    RECORD_RESTATEMENTS = "cost.record_restatements"


class RecordRequest(Model):
    """For `ledger.record`; answered with an Outcome (accepted or refused), never with an error for a refusal."""

    command: AnyCommand


class AcceptedOnSchedule(Accepted):
    """What `ledger.record` and `schedule.step_waiting` answer for a schedule: the outcome, and what is known since."""

    view: ScheduleView | None = None
    """None where the outcome tells enough, and from versions that did not give it."""


class RefusedOnSchedule(Refused):
    """The same for a refusal: its reason may be that the process has missed something."""

    view: ScheduleView | None = None


OutcomeOnSchedule = Annotated[AcceptedOnSchedule | RefusedOnSchedule, Field(discriminator="kind")]
"""Reads every Outcome."""


class RefusalRequest(Model):
    """For `ledger.record_refusal`: a message that could not be read as a command for this process."""

    command_id: UUID
    """Made by the workflow, deterministic."""
    category: str
    key: str
    command: str
    """Name of the signal as it was sent."""
    message: str
    code: str
    channel: Channel = Channel.SIGNAL
    actor: str = ""
    """As claimed, if it could be read."""
    excerpt: str = ""


class ScheduleRequest(Model):
    """For `ledger.read_schedule`; answered with a ScheduleView (domain.process)."""

    fiscal_year: int
    product: NodePath
    round: int


class WaitingStep(Model):
    """For `schedule.step_waiting`: what time does to a schedule. Answered with an OutcomeOnSchedule.

    The activity makes the command of it, as the system; its id follows from the fields, so twice is once.
    """

    fiscal_year: int
    product: NodePath
    step: Literal["remind", "escalate", "end_year"]
    turn: int = 0
    count: int = 0
    """Which reminder of the turn; for the others, which attempt: one that came too early is not answered for ever."""
    attempt: int = 0
    """At that reminder: so that a command id that is used up, by whomever, does not keep it from being sent."""


class InformRequest(Model):
    """For `schedule.inform_rounds`: tells the open rounds that a load has changed their annual budgets.

    Answered with an InformResult.
    """

    fiscal_year: int
    command_id: UUID
    """Of the load."""
    position: int
    """Its last place in the log."""


class InformHoldersRequest(Model):
    """For `schedule.inform_holders`: tells the open rounds that nobody may decide on any more since that command.

    Answered with an InformResult.
    """

    command_id: UUID
    """It has taken grants away."""
    position: int
    """Its last place in the log."""
    events: int
    """How many facts it recorded."""


class InformResult(Model):
    informed: int = 0
    """Processes that are under way and look into the ledger again."""


class AlignmentStepRequest(Model):
    """For `accounts.step`: what time does to an occasion. Answered with an AlignmentView (domain.account_process)."""

    account_id: str
    occasion: int
    step: Literal["remind", "escalate"]
    count: int = 0
    """Which reminder of the occasion; for an escalation, which attempt."""
    attempt: int = 0
    """At that reminder."""


class WakeRequest(Model):
    """For `accounts.wake`: starts the processes of open alignments, and makes those that run look into the ledger.

    Answered with an InformResult.
    """

    account_ids: Annotated[tuple[str, ...], Field(max_length=WAKE_MAX)] = ()
    """Of these accounts …"""
    all_open: bool = False
    """… or of all that are open now."""
    position: int = 0
    """Log position of what they should know of: the views are waited for."""


class AccountEventsReport(Model):
    """Answer of `accounts.receive`: what came of the messages of a while."""

    configured: bool = True
    """False where the worker that was asked has no queue in its settings."""
    handled: int = 0
    recorded: int = 0
    """Of these, the ones that changed something."""
    ignored: int = 0
    """Of these, the ones that are of no account."""
    rejected: int = 0
    """Put aside, because they could not be understood or handled."""
    retried: int = 0
    """Left in the queue, to be tried again."""
    last_at: AwareDatetime | None = None
    """When the last one came."""
    last_rejection: str = ""


class DroppedFile(Model):
    """A file in the drop, as it was seen."""

    name: str
    version: str
    """Another one whenever the file is written anew."""
    content_hash: str = ""
    """Its name in the file store."""


class Dropped(Model):
    """Answer of `budget.take_dropped`."""

    actor: str
    """Who answers for what is dropped, by the worker's settings."""
    files: tuple[DroppedFile, ...] = ()
    """In the file store by now; to be loaded in this order."""
    seen: int = 0
    """Budget files in the drop, old ones too."""
    not_looked_at: int = 0
    """Left for the next look."""
    problems: tuple[str, ...] = ()
    """Files that could not be read, or beside which no result can be written."""
    problems_total: int = 0


class DropAnswer(Model):
    """For `budget.answer_dropped`: what is to be written beside a file."""

    file: DroppedFile
    process_id: str
    result: BudgetLoadResult | None = None
    failure: str = ""
    """Where there is no result."""


class FirstBillsRequest(Model):
    """For `cost.record_first_bills`: a report version that is imported. Answered with a FirstBillsResult."""

    billing_period: Month
    report_version: str


class FirstBillsResult(Model):
    accounts: int = 0
    """With lines in that version."""
    billed: int = 0
    """Of these, for the first time."""
    position: int = 0


class RestatementsRequest(Model):
    """For `cost.record_restatements`: a report version that is imported. Answered with a RestatementsResult."""

    billing_period: Month
    report_version: str


class RestatementsResult(Model):
    replaced: str = ""
    """The version that was in force before; empty for the first one."""
    restated: int = 0
    """Accounts whose spend on days that it covered has changed."""
    adjustment: bool = False
    booked_in: Month | None = None
    position: int = 0


class Deliveries(Model):
    """Answer of `cost.find_deliveries` to a CostSource."""

    deliveries: tuple[CostDelivery, ...] = ()
    problems: tuple[ManifestProblem, ...] = ()
    """Manifests that are damaged; they keep nobody from importing the other months."""


class ChannelReport(Model):
    """Answer of `notifications.collect` and `notifications.send`: how a channel stands. Nothing secret or personal."""

    known: bool = True
    """False where the worker that was asked has no such channel in its settings."""
    busy: bool = False
    """Whether an earlier message is still under way."""
    collected: int = 0
    sent: int = 0
    not_sent: int = 0
    due: int = 0
    waiting: int = 0
    failed: int = 0
    """Given up."""
    failing_since: AwareDatetime | None = None
    last_error: str = ""
    next_try_at: AwareDatetime | None = None


class Progress(Model):
    """Heartbeat of a long activity, shown as a progress bar by the command line."""

    step: str
    done: int = 0
    whole: int = 0
    """0 where it is not known."""


RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=0,  # for ever: the receipts make it harmless, and schedule_to_close bounds it where it must end
    non_retryable_error_types=NEVER_RETRIED,
)
"""For every activity. Errors that are not ours are tried again, because they may pass."""

RECORD_TIMEOUT = timedelta(seconds=20)
"""One attempt at recording: well above the ledger's own limits for locks and transactions."""
INFORM_TIMEOUT = timedelta(minutes=30)
"""Telling the rounds of a whole year, 200,000 of them at most, that their budgets have changed."""
LOAD_TIMEOUT = timedelta(minutes=10)
SYNC_TIMEOUT = timedelta(minutes=10)
FIND_TIMEOUT = timedelta(minutes=2)
DROP_TIMEOUT = timedelta(minutes=10)
"""One look into the drop, or one answer beside a file in it."""
IMPORT_TIMEOUT = timedelta(hours=2)
FIRST_BILLS_TIMEOUT = timedelta(minutes=5)
RESTATEMENTS_TIMEOUT = timedelta(minutes=10)
IMPORT_DEADLINE = timedelta(hours=24)
"""All attempts at one import together; replication may bring parts after their manifest."""
HEARTBEAT_TIMEOUT = timedelta(seconds=20)

ACCOUNT_EVENTS_WATCH = timedelta(minutes=10)
"""One activity waits for messages about accounts for so long; then the process shows what came."""
ACCOUNT_EVENTS_TIMEOUT = timedelta(minutes=15)
WAKE_TIMEOUT = timedelta(minutes=10)
COST_EVENTS_WATCH = timedelta(minutes=10)
"""The same for messages about cost reports."""
COST_EVENTS_TIMEOUT = timedelta(minutes=15)

NOTIFICATIONS_WATCH = timedelta(minutes=2)
"""One look at the log for a channel goes on for so long while nothing is due."""
NOTIFICATIONS_WATCH_TIMEOUT = timedelta(minutes=4)
NOTIFICATIONS_SEND_FOR = timedelta(seconds=20)
"""After so long no other message is begun."""
NOTIFICATIONS_SEND_TIMEOUT = timedelta(seconds=100)
"""A message under way has about a minute; whatever takes longer hangs, and is left alone."""
