"""Which durable process a decision goes to: names, ids, task queues and first messages of the workflows.

Pure data, so that the command line and the pages can address a process without importing its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.calendar import Month
from domain.cost import ReportVersion
from domain.decision import Channel, LineText, Persona, PersonReference
from domain.hierarchy import NodePath
from domain.model import Model
from domain.registry import AnyCommand
from domain.schedule import FIRST_ROUND as FIRST_ROUND
from domain.schedule import State
from domain.schedule_commands import ROUNDS_MAX as ROUNDS_MAX
from domain.schedule_commands import FiscalYear

TASK_QUEUE = "allot"
"""Workflows, and activities that take milliseconds."""
COST_QUEUE = "allot-cost"
"""Reading cost reports: heavy on memory, few at a time."""
ORGANIZATIONS_QUEUE = "allot-organizations"
"""Calls to AWS Organizations, rate-limited and one at a time."""

NOTIFICATIONS_QUEUE = "allot-notifications"
"""Mail and chat: slow, and it may fail for hours without holding up anything else."""

FILE_NAME_CHARS_MAX = 255
SOURCE_CHARS_MAX = 1_000
COST_SOURCE_NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
"""What a source of cost reports may be called in the settings; no path or address looks like it."""
PERSON_NAME_CHARS_MAX = 200
PROCESS_ID_BYTES_MAX = 240
"""Bytes of a workflow id; servers are configured for 255 or for 1,000."""


class WorkflowName(StrEnum):
    BUDGET_SCHEDULE = "BudgetSchedule"
    BUDGET_LOAD = "BudgetLoad"
    BUDGET_DROP = "BudgetDrop"
    ORGANIZATION_SYNC = "OrganizationSync"
    ACCOUNT_ALIGNMENT = "AccountAlignment"
    ACCOUNT_EVENTS = "AccountEvents"
    ACCOUNT_IMPORT = "AccountImport"
    COST_WATCH = "CostWatch"
    COST_IMPORT = "CostImport"
    COST_EVENTS = "CostEvents"
    DIRECT_DECISION = "DirectDecision"
    PEOPLE_IMPORT = "PeopleImport"
    NOTIFICATIONS = "Notifications"
    PERSON_REGISTRATION = "PersonRegistration"
    WORKLOAD_ESTIMATE = "WorkloadEstimate"
    RESOURCE_SEARCH = "ResourceSearch"


TURN_OF: Mapping[State, Persona] = {
    State.DRAFT: Persona.PRODUCT_OWNER,
    State.REJECTED: Persona.PRODUCT_OWNER,
    State.RESCHEDULING: Persona.PRODUCT_OWNER,
    State.PENDING: Persona.PORTFOLIO_OWNER,
    State.RESCHEDULE_REQUESTED: Persona.PORTFOLIO_OWNER,
}
"""Whom a schedule waits for; nobody in the other states, unless it is over budget (`domain.schedule.awaited`)."""


class UpdateName(StrEnum):
    """Updates and signals of BudgetSchedule; both carry the same command."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    REVISE = "revise"
    REQUEST = "request"
    GRANT = "grant"
    DENY = "deny"


REFRESH_SIGNAL = "refresh"
"""Tells a round to look into the ledger again, because something else than its own messages has changed it."""


class ScheduleRound(Model):
    """Starts BudgetSchedule: one product, one fiscal year, one round of submission and approval."""

    fiscal_year: FiscalYear
    product: NodePath
    round: Annotated[int, Field(ge=FIRST_ROUND, le=ROUNDS_MAX)] = FIRST_ROUND


class BudgetFile(Model):
    """Starts BudgetLoad: a file in the file store and how it is to be understood."""

    command_id: UUID
    actor: PersonReference
    channel: Channel = Channel.UPDATE
    content_hash: str
    """SHA-256 of the bytes; also the name of the file in the store."""
    file_name: Annotated[LineText, Field(max_length=FILE_NAME_CHARS_MAX)]
    """Says how the file is to be understood, unless the terms below are given."""
    terms: LoadTerms | None = None
    dry_run: bool = False
    """Only says what the load would do; nothing is recorded."""


class LoadTerms(Model):
    """What a budget file's name says, given as flags instead."""

    customer: str
    fiscal_year: FiscalYear
    is_new: bool
    effective_on: str
    """ISO date."""
    is_override: bool
    option: str = "Budget"
    file_version: str = "v1"


class BudgetLoadResult(Model):
    """What became of a load."""

    status: Literal["loaded", "unchanged", "invalid", "refused", "dry_run"]
    message: str
    fiscal_year: int = 0
    mode: str = ""
    """new, change or override."""
    effective_on: str = ""
    """ISO date."""
    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    schedules_returned: int = 0
    """Schedules that waited for approval and go back to their owners."""
    schedules_over_budget: int = 0
    """Approved schedules that do not fit any more."""
    old_total: str = ""
    """Annual budgets of the year before and after the load, in the organization's currency."""
    new_total: str = ""
    impact: str = ""
    """Name, in the file store, of the JSON list of what changes, product by product (`ImpactRow`)."""
    informed: int = 0
    """Open rounds of schedules that were told that their annual budget is another one."""
    labels: tuple[str, ...] = ()
    """What the file calls E1 to E4."""
    products: int = 0
    position: int = 0
    problems: int = 0
    """Problems found in an invalid file; the first 1,000 are in the report."""
    report: str = ""
    """Name, in the file store, of the JSON list of problems."""
    error: str = ""
    """Class name in the error tree, where refused."""
    code: str = ""


class ImpactRow(Model):
    """What a load does, or would do, to one product."""

    product: NodePath
    change: Literal["added", "changed", "withdrawn"]
    old: str = ""
    """Annual budget before; empty for a product that is new."""
    new: str
    schedule: Literal["", "returned", "over_budget", "within_budget"] = ""
    """What becomes of its schedule."""


class DropRequest(Model):
    """Starts BudgetDrop: one look into the drop. Where that is, the worker's settings say, and no message."""


class BudgetDropResult(Model):
    loads: int = 0
    """Files that were dealt with, well or not: what became of each stands beside it."""
    waiting: int = 0
    """Files that are left for the next look."""
    problems: tuple[str, ...] = ()
    """The first of the files that could not be read or answered."""


class PeopleFile(Model):
    """Starts PeopleImport: a CSV file of people and their grants in the file store."""

    command_id: UUID
    actor: PersonReference
    channel: Channel = Channel.UPDATE
    content_hash: str
    file_name: Annotated[LineText, Field(max_length=FILE_NAME_CHARS_MAX)]


class PeopleImportResult(Model):
    status: Literal["imported", "unchanged", "invalid", "refused"]
    message: str
    people: int = 0
    grants: int = 0
    position: int = 0
    problems: int = 0
    report: str = ""
    """Name, in the file store, of the JSON list of problems."""
    error: str = ""
    code: str = ""


class NotificationChannel(Model):
    """Starts Notifications: one channel, from the outbox to people. Nothing secret: only the channel's name."""

    channel: str
    sent: int = 0
    """By the runs before."""


class CostSource(Model):
    """Starts CostWatch: a folder, `s3://bucket/prefix` or a configured source's name, with one report's deliveries.

    Never a role or an external id: those are looked up by the worker, in its settings.
    """

    source: Annotated[LineText, Field(min_length=1, max_length=SOURCE_CHARS_MAX)]
    actor: PersonReference
    channel: Channel = Channel.UPDATE
    billing_period: Month | None = None
    """Only this one; None for all that are found."""
    wait_for_parts: bool = False
    """Whether a part that its manifest names may still arrive: true for scheduled watches, false for a person."""
    scheduled: bool = False
    """Nobody asked for it: the source is one of the worker's settings, by its name, and Allot itself acts."""


class CostDelivery(Model):
    """Starts CostImport: one version of a report for one billing period, and where its manifest is."""

    report: ReportVersion
    manifest: Annotated[str, Field(max_length=SOURCE_CHARS_MAX)]
    """Path or `s3://` address of the manifest."""
    source: str
    """Folder or `s3://bucket/prefix` under which the parts are found."""
    actor: PersonReference
    channel: Channel = Channel.WORKFLOW
    wait_for_parts: bool = False
    """Whether to wait for parts that have not arrived yet."""
    scheduled: bool = False
    """As in CostSource."""


class CostImportResult(Model):
    billing_period: Month
    report_version: str
    status: Literal["imported", "unchanged", "refused", "waiting"]
    """Waiting: it goes on by itself, and the scheduled look that started it is over."""
    message: str
    position: int = 0
    lines: int = 0
    rows: int = 0
    totals: dict[str, str] = {}
    error: str = ""
    code: str = ""
    engine: str = ""
    """That added the report up; empty where nothing was."""
    scanned_bytes: int = 0
    """What it charges for, if it charges by the byte."""


class ManifestProblem(Model):
    """A delivery that could not even be looked at, because its manifest is damaged."""

    manifest: str
    message: str
    error: str
    """Class name in the error tree."""
    code: str = ""


class CostWatchResult(Model):
    imports: tuple[CostImportResult, ...] = ()
    problems: tuple[ManifestProblem, ...] = ()


class DirectCommand(Model):
    """Starts DirectDecision: a command that waits for nobody."""

    command: AnyCommand


class RegisterPersonRequest(Model):
    """Starts PersonRegistration: somebody new, with the address and name that stay beside the ledger."""

    command_id: UUID
    actor: PersonReference
    channel: Channel = Channel.UPDATE
    email: PersonReference
    name: Annotated[LineText, Field(max_length=PERSON_NAME_CHARS_MAX)] = ""


class ScheduleView(Model):
    """What the process of a schedule knows; the answer to its query."""

    fiscal_year: int
    product: NodePath
    round: int
    state: State
    version: int = 0
    annual: str = ""
    planned: str = ""
    currency: str = ""
    amounts: dict[Month, str] = {}
    awaiting: str = ""
    """Persona whose turn it is; empty for nobody."""
    turn: int = 0
    """Version at which that turn began."""
    since: AwareDatetime | None = None
    """When it began."""
    over_budget: bool = False
    attached: bool = False
    """Whether a reschedule request holds the new schedule."""
    reason: str = ""
    """Of the last rejection, denial, return or request."""
    approved: dict[Month, str] = {}
    """In force."""
    labels: tuple[str, ...] = ()
    """What the organization calls E1 to E4 in that year."""
    reminders: int = 0
    """In this turn."""
    escalated: bool = False
    """Whether the level above may decide in this turn."""
    remind_at: AwareDatetime | None = None
    """When to remind next; None for never."""
    escalate_at: AwareDatetime | None = None
    year_ends_at: AwareDatetime | None = None
    """From then on nothing is decided on this year."""
    refusals: int = 0
    """Messages refused in this run."""
    last_refusal: str = ""


BudgetFile.model_rebuild()


def schedule_process_id(fiscal_year: int, product: NodePath, round_: int = FIRST_ROUND) -> str:
    return bounded(f"schedule/{fiscal_year}/{product}/{round_}")


def budget_load_process_id(content_hash: str, *, dry_run: bool = False) -> str:
    return f"budget-dry-run/{content_hash}" if dry_run else f"budget-load/{content_hash}"


def cost_import_process_id(report: ReportVersion) -> str:
    return bounded(f"cost-import/{report.source}/{report.billing_period}/{report.version}")


def cost_watch_process_id(source: str) -> str:
    return bounded(f"cost-watch/{source}")


def people_import_process_id(content_hash: str) -> str:
    return f"people-import/{content_hash}"


def notifications_process_id(channel: str) -> str:
    return f"notifications/{channel}"


def direct_decision_process_id(command_id: UUID) -> str:
    return f"decision/{command_id}"


def person_registration_process_id(command_id: UUID) -> str:
    return f"person-registration/{command_id}"


ORGANIZATION_SYNC_SCHEDULE_ID = "organization-sync"
ORGANIZATION_SYNC_PROCESS_ID = "organization-sync"
BUDGET_DROP_SCHEDULE_ID = "budget-drop"
BUDGET_DROP_PROCESS_ID = "budget-drop"


def bounded(process_id: str) -> str:
    """The id, or its beginning and a hash of the whole where it is too long for a server."""
    encoded = process_id.encode()
    if len(encoded) <= PROCESS_ID_BYTES_MAX:
        return process_id
    digest = sha256(encoded).hexdigest()
    beginning = encoded[: PROCESS_ID_BYTES_MAX - len(digest) - 1].decode(errors="ignore")
    return f"{beginning}~{digest}"
