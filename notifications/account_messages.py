"""What is told of accounts: to whoever allocates them, and to the owners of the products that get them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.account import account_stream
from domain.account_facts import AlignmentOpened, Allocated, AllocationProposed, Occasion, ProposalDeclined
from domain.allocation import AccountType, Share
from domain.decision import Grant, Persona
from domain.hierarchy import NodePath
from domain.money import plain
from domain.waiting import Escalated, Overdue, Reminded
from notifications.notice import YOU, Audience, Notice, commands, one_line, paragraphs, said

type AccountFact = AlignmentOpened | AllocationProposed | ProposalDeclined | Allocated

_ADMINS = Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT)
_ENGINEERS = Grant(Persona.CLOUD_ENGINEER, NodePath.ROOT)
_ACCOUNT = f"{account_stream('').category}/"
# What is not here is told by what is recorded with it: the proposal, and the escalation of one that spends.
_OPENED = {
    Occasion.FIRST_SIGHT: "was seen for the first time, and nobody has said yet which products its spend belongs to.",
    Occasion.MOVED: "stands in another organizational unit now: its spend may belong to other products.",
    Occasion.RETURNED: "is in the organization again: look whether its spend belongs to the products it had.",
    Occasion.TAGS_CHANGED: "has other tags now: its spend may belong to other products.",
}
_OVERDUE = {
    Overdue.WAITED_TOO_LONG: "The financial admin has been waited for too long: nobody says whose its spend is.",
    Overdue.NOBODY_LEFT: "No financial admin is left who may say whose its spend is.",
    Overdue.SPENDING: "It has spent something, and that belongs to nobody's budget.",
}


def of_account(fact: AccountFact) -> Notice | None:
    match fact:
        case AlignmentOpened():
            return _opened(fact)
        case AllocationProposed():
            return _proposed(fact)
        case ProposalDeclined():
            return _declined(fact)
        case Allocated():
            return _allocated(fact)


def is_of_account(fact: Reminded | Escalated) -> bool:
    """Whether somebody is waited for because of an account, and not of a schedule."""
    return fact.subject.startswith(_ACCOUNT)


def of_waiting_account(fact: Reminded | Escalated) -> Notice:
    account_id = fact.subject.removeprefix(_ACCOUNT)
    look = commands("What waits for you:", f"allot tasks --as {YOU}")
    if isinstance(fact, Reminded):
        text = f"It is still the turn of the {fact.persona.replace('_', ' ')}. This is reminder {fact.count}."
        if fact.spending_since is None:
            subject, spends = f"Reminder: AWS account {account_id}", ""
        else:
            subject = f"Alert: AWS account {account_id} spends without an allocation"
            spends = f"It has spent since {fact.spending_since}, and that belongs to nobody's budget."
        return Notice(Audience((_ADMINS,)), subject, paragraphs(spends, text, _show(account_id), look))
    text = f"{_OVERDUE[fact.reason]} A first allocation may be made by cloud engineers, too."
    body = paragraphs(text, _show(account_id), _allocate(account_id), look)
    return Notice(Audience((_ADMINS, _ENGINEERS)), f"Escalated: AWS account {account_id}", body)


def _opened(fact: AlignmentOpened) -> Notice | None:
    if fact.reason not in _OPENED:
        return None
    text = f"AWS account {fact.account_id} {_OPENED[fact.reason]}"
    body = paragraphs(text, _show(fact.account_id), _allocate(fact.account_id))
    return Notice(Audience((_ADMINS,)), f"To allocate: AWS account {fact.account_id}", body)


def _proposed(fact: AllocationProposed) -> Notice:
    who = f"Rule '{one_line(fact.rule)}'" if fact.rule else "Somebody"
    from_ = f", from {fact.effective_on} on" if fact.effective_on else ""
    what = f"{who} suggests for AWS account {fact.account_id}, as {fact.account_type}{from_}:"
    on = f"{fact.account_id} --proposal {fact.proposal}"
    how = commands(
        "Decide by one of:",
        f"allot account accept {on} --as {YOU}",
        f"allot account decline {on} --reason 'What it should be' --as {YOU}",
    )
    body = paragraphs(commands(what, *_told(fact.shares)), said("Note", fact.note), _show(fact.account_id), how)
    return Notice(Audience((_ADMINS,)), f"To decide: allocation of AWS account {fact.account_id}", body)


def _declined(fact: ProposalDeclined) -> Notice:
    text = f"What was proposed for AWS account {fact.account_id} (proposal {fact.proposal}) was not accepted."
    body = paragraphs(text, said("Why", fact.reason), _show(fact.account_id))
    audience = Audience(proposal=(fact.account_id, fact.proposal))
    return Notice(audience, f"Declined: allocation of AWS account {fact.account_id}", body)


def _allocated(fact: Allocated) -> Notice:
    """To the owners of its products: part of what they may spend is spent there from now on."""
    owners = tuple(Grant(Persona.PRODUCT_OWNER, share.product) for share in fact.shares)
    what = f"From {fact.effective_on} on, the spend of AWS account {fact.account_id} ({fact.account_type}) belongs to:"
    body = paragraphs(commands(what, *_told(fact.shares)), said("Note", fact.note), _show(fact.account_id))
    return Notice(Audience(owners), f"Allocated: AWS account {fact.account_id}", body)


def _told(shares: Sequence[Share]) -> list[str]:
    return [f"{plain(share.percent)} % {one_line(str(share.product))}" for share in shares]


def _show(account_id: str) -> str:
    return commands("What is known of it:", f"allot account show {account_id}")


def _allocate(account_id: str) -> str:
    share = "'Unit/Department/Portfolio/Product=100'"
    return commands(
        f"Say whose budget pays for it, and what it is for ({', '.join(AccountType)}):",
        f"allot account allocate {account_id} {share} --type {AccountType.PRODUCTION} --as {YOU}",
    )
