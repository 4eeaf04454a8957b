"""What can happen to an AWS account: its facts, and the words in them (product rules, section 5)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field, StringConstraints

from domain.allocation import AccountType, Share
from domain.decision import Fact, PersonId
from domain.model import Model

TAGS_MAX = 100
"""Tags kept of an account. AWS allows people 50; those of its own services (`aws:…`) come on top."""

AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]

GONE_FROM_THE_LIST = "gone from the list"
"""How an account departed that a full read of the organization did not show any more."""


class Occasion(StrEnum):
    """Why somebody has to say which products an account's spend belongs to."""

    FIRST_SIGHT = "first sight"
    MOVED = "moved"
    RETURNED = "returned"
    TAGS_CHANGED = "tags changed"
    PROPOSED = "another allocation was proposed"
    SPENDING = "spends without an allocation"


class Basis(StrEnum):
    """What an allocation or a proposal goes back to."""

    HAND = "by hand"
    RULE = "rule"
    EXPECTED = "expected account"
    PROPOSAL = "proposal"


class AccountSeen(Model):
    """An account as Organizations shows it."""

    account_id: AccountId
    name: str
    email: str = ""
    state: str
    """AWS: PENDING_ACTIVATION, ACTIVE, SUSPENDED, PENDING_CLOSURE or CLOSED."""
    joined_method: str = ""
    joined_at: AwareDatetime
    ou_path: str = ""
    """Names of the organizational units from the root down, such as `/Workloads/Production`."""
    tags: Annotated[dict[str, str], Field(max_length=TAGS_MAX)] | None = None
    """None where they were not read this time: then those known before still hold."""


class OrganizationSeen(Fact):
    """Which AWS organization this is, and which account pays for it."""

    fact_name: ClassVar[str] = "organization.Seen"
    organization_id: str
    management_account_id: AccountId


class Observed(AccountSeen, Fact):
    """What the facts share that say how an account is."""

    source: str = ""
    """Where it was seen: the full read (`sync`), or the name of the event that made us look."""
    observed_at: AwareDatetime | None = None
    """When it was so; None in an old fact. What was so before is not believed any more."""


class Vended(Observed):
    """First sight of an account."""

    fact_name: ClassVar[str] = "account.Vended"


class Changed(Observed):
    """The account as it is now, where anything differs from what was known."""

    fact_name: ClassVar[str] = "account.Changed"
    changed: tuple[str, ...] = ()
    """Which of its fields are others now; empty in an old fact."""


class Returned(Observed):
    """An account that had left is in the organization again."""

    fact_name: ClassVar[str] = "account.Returned"


class Departed(Fact):
    """The account is not in the organization any more. Its history stays, and it may still be billed."""

    fact_name: ClassVar[str] = "account.Departed"
    account_id: AccountId
    how: str
    """AWS: Left, Removed or Cleaned; or `gone from the list`."""
    at: AwareDatetime
    source: str = ""


class FirstBilled(Fact):
    """The first line of a cost report with this account's spend was imported; again where an earlier one turns up."""

    fact_name: ClassVar[str] = "account.FirstBilled"
    account_id: AccountId
    billing_period: str
    first_usage_on: date
    report_version: str


class AlignmentOpened(Fact):
    """Somebody, or a rule, has to say which products the account's spend belongs to."""

    fact_name: ClassVar[str] = "account.AlignmentOpened"
    account_id: AccountId
    occasion: int
    """First, second, … of this account."""
    reason: Occasion


class AlignmentEnded(Fact):
    """The occasion is over without another allocation."""

    fact_name: ClassVar[str] = "account.AlignmentEnded"
    account_id: AccountId
    occasion: int
    reason: str


class AllocationProposed(Fact):
    """A rule or a person suggests an allocation; somebody who may allocate accepts or declines it."""

    fact_name: ClassVar[str] = "account.AllocationProposed"
    account_id: AccountId
    occasion: int
    proposal: int
    """First, second, … of this account: what a decision names."""
    account_type: AccountType
    shares: tuple[Share, ...]
    effective_on: date | None = None
    """None for the usual day when it is accepted."""
    basis: Basis
    rule: str = ""
    """Name of the rule, where one suggests it."""
    proposed_by: PersonId | None = None
    note: str = ""


class ProposalDeclined(Fact):
    """The proposed allocation is not what it shall be, with a reason."""

    fact_name: ClassVar[str] = "account.ProposalDeclined"
    account_id: AccountId
    occasion: int
    proposal: int
    declined_by: PersonId
    reason: str


class Allocated(Fact):
    """From the date on, the account's spend belongs to these products."""

    fact_name: ClassVar[str] = "account.Allocated"
    account_id: AccountId
    account_type: AccountType
    shares: tuple[Share, ...]
    """Ordered by product path; the percentages add up to exactly 100."""
    effective_on: date
    allocated_by: PersonId
    """Who decided it; for what a rule or an expected account brings about, whoever had set that up."""
    note: str = ""
    basis: Basis = Basis.HAND
    rule: str = ""
    """Name of the rule, or the name or e-mail address under which the account was expected."""
    proposal: int = 0
    """Number of the proposal that was accepted; 0 where there was none."""


FACTS: tuple[type[Fact], ...] = (
    OrganizationSeen,
    Vended,
    Changed,
    Returned,
    Departed,
    FirstBilled,
    AlignmentOpened,
    AlignmentEnded,
    AllocationProposed,
    ProposalDeclined,
    Allocated,
)
