"""The processes of accounts: their first messages, results, ids and queues; beside `domain.process`, as pure data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.account_facts import AccountId
from domain.decision import Channel, LineText, PersonReference
from domain.model import Model
from domain.process import FILE_NAME_CHARS_MAX

ACCOUNT_EVENTS_QUEUE = "allot-account-events"
"""Task queue of the activity that waits for messages about accounts: it is never idle, and holds up nobody else."""
ACCOUNT_EVENTS_PROCESS_ID = "account-events"
OCCASIONS_MAX = 100_000
"""Of one account; more than any process id has room to count."""


class AccountUpdateName(StrEnum):
    """Updates and signals of AccountAlignment; both carry the same command."""

    ALLOCATE = "allocate"
    PROPOSE = "propose"
    ACCEPT = "accept"
    DECLINE = "decline"


class AlignmentRound(Model):
    """Starts AccountAlignment: one account, and one occasion to say which products its spend belongs to."""

    account_id: AccountId
    occasion: Annotated[int, Field(ge=1, le=OCCASIONS_MAX)]


class AlignmentView(Model):
    """What the process of an alignment knows; the answer to its query. No address, because that may be personal."""

    account_id: str
    occasion: int
    """The account's last one; a process that finds another one than its own there is over."""
    open: bool = False
    reason: str = ""
    """Why it was opened."""
    lifecycle: str = ""
    name: str = ""
    state: str = ""
    """In the words of AWS."""
    ou_path: str = ""
    known: bool = True
    """Whether Organizations has shown the account."""
    joined_at: AwareDatetime | None = None
    since: AwareDatetime | None = None
    """When the occasion was opened."""
    awaiting: str = ""
    """Persona whose turn it is; empty for nobody."""
    allocated: bool = False
    """Whether it has an allocation already."""
    account_type: str = ""
    shares: Mapping[str, str] = {}
    """Of the last allocation: percent by product."""
    effective_on: str = ""
    """Of the last allocation, as an ISO date."""
    proposal: int = 0
    """Number of the proposal that waits for a decision; 0 for none."""
    proposed_type: str = ""
    proposed_shares: Mapping[str, str] = {}
    proposed_by_rule: str = ""
    reminders: int = 0
    escalated: bool = False
    remind_at: AwareDatetime | None = None
    escalate_at: AwareDatetime | None = None
    refusals: int = 0
    """Messages refused in this run."""
    last_refusal: str = ""
    looked: str = ""
    """What came of the last look whether it was expected, or a rule takes it."""


class AccountEventsRequest(Model):
    """Starts AccountEvents. Which queue, the worker's settings say, and no message."""

    handled: int = 0
    """Messages by the runs before."""
    rejected: int = 0


class SyncRequest(Model):
    """Starts OrganizationSync: one full read of AWS Organizations."""


class SyncResult(Model):
    """What one pass did."""

    accounts: int = 0
    """That AWS lists."""
    recorded: int = 0
    """Accounts that were new or changed."""
    calls: int = 0
    """Calls made to AWS."""
    position: int = 0
    departed: int = 0
    """Accounts that are not in the organization any more."""
    opened: int = 0
    """Alignments that were opened."""
    started: int = 0
    """Processes of alignments that were started or woken."""
    list_calls: int = 0
    """Of the calls, those that list accounts."""
    tag_calls: int = 0
    throttled: int = 0
    """Calls that AWS asked to make again later."""
    skipped: int = 0
    """Accounts that AWS has not finished creating."""


class AccountFileKind(StrEnum):
    """What an AccountImport brings in."""

    ALLOCATIONS = "allocations"
    EXPECTED = "expected"


class AccountFile(Model):
    """Starts AccountImport: a file of allocations or of expected accounts in the file store."""

    command_id: UUID
    actor: PersonReference
    channel: Channel = Channel.UPDATE
    kind: AccountFileKind
    content_hash: str
    file_name: Annotated[LineText, Field(max_length=FILE_NAME_CHARS_MAX)]
    dry_run: bool = False
    """Only checks the file."""
    product_tag: Annotated[LineText, Field(max_length=200)] = ""
    """For a request file: the tag or custom field that names the product."""
    type_tag: Annotated[LineText, Field(max_length=200)] = ""
    """For a request file: the tag or custom field that names the account's type."""


class AccountImportResult(Model):
    status: Literal["imported", "unchanged", "checked", "invalid", "refused"]
    message: str
    rows: int = 0
    recorded: int = 0
    """Events; with `checked`, how many there would be."""
    position: int = 0
    problems: int = 0
    report: str = ""
    """Name, in the file store, of the JSON list of problems."""
    error: str = ""
    code: str = ""


ALIGNMENT_UPDATES = tuple(AccountUpdateName)


def alignment_process_id(account_id: str, occasion: int) -> str:
    return f"account/{account_id}/{occasion}"


def account_import_process_id(file: AccountFile) -> str:
    return f"account-{'check' if file.dry_run else 'import'}/{file.kind}/{file.content_hash}"
