"""What is told of an event, and to whom: pure, from the event alone.

No name and no address is in a message: who acted stands in the ledger, for whoever may look (`allot audit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from shlex import quote
from urllib.parse import quote as url_quote

from domain.account_facts import AlignmentOpened, Allocated, AllocationProposed, ProposalDeclined
from domain.calendar import Month
from domain.decision import Fact, Grant, Persona, RecordedEvent
from domain.hierarchy import NodePath
from domain.money import figure, total
from domain.people import Delegated, DelegationEnded, Granted, GrantWithdrawn
from domain.schedule import (
    Approved,
    Rejected,
    RescheduleDenied,
    RescheduleGranted,
    RescheduleRequested,
    Returned,
    ScheduleFact,
    Submitted,
    WentOverBudget,
)
from domain.waiting import Escalated, Overdue, Reminded
from domain.workload import EstimateApproved, EstimateRejected, EstimateSubmitted
from notifications.account_messages import is_of_account, of_account, of_waiting_account
from notifications.notice import SUBJECT_CHARS_MAX as SUBJECT_CHARS_MAX
from notifications.notice import YOU, commands, paragraphs, said
from notifications.notice import Audience as Audience
from notifications.notice import Notice as Notice
from notifications.notice import one_line as one_line
from notifications.workload_messages import is_of_workload, of_estimate, of_waiting_workload

TIME_FORMAT = "%Y-%m-%d %H:%M UTC"


def notice_of(event: RecordedEvent, ui_url: str = "") -> Notice | None:
    """None for what nobody is told of. The address is that of the namespace in the Temporal UI."""
    match event.fact:
        case ScheduleFact() as fact:
            told = _of_schedule(fact, event.stream_version)
        case Reminded() | Escalated() as fact:
            told = _of_anything_waiting(fact)
        case EstimateSubmitted() | EstimateApproved() | EstimateRejected() as fact:
            told = of_estimate(fact, event.stream_version)
        case Granted() | GrantWithdrawn() | Delegated() | DelegationEnded() as fact:
            told = _of_person(fact)
        case AlignmentOpened() | AllocationProposed() | ProposalDeclined() | Allocated() as fact:
            told = of_account(fact)
        case _:
            return None
    return None if told is None else _finished(told, event, ui_url)


def process_url(ui_url: str, event: RecordedEvent) -> str:
    """The run that recorded it; empty for what no process recorded."""
    if not (ui_url and event.workflow_id):
        return ""
    process, run = url_quote(event.workflow_id, safe=""), url_quote(event.workflow_run_id, safe="")
    return f"{ui_url}/workflows/{process}/{run}/history"


def _finished(told: Notice, event: RecordedEvent, ui_url: str) -> Notice:
    end = [f"Process: {url}"] if (url := process_url(ui_url, event)) else []
    when = event.recorded_at.strftime(TIME_FORMAT)
    end.append(f"Event {event.event_id}, {when}. All of it: allot audit {quote(event.stream)}")
    return told._replace(subject=one_line(told.subject), body="\n\n".join([told.body, "\n".join(end)]))


def _of_schedule(fact: ScheduleFact, version: int) -> Notice | None:
    of = f"{fact.product} for {fact.fiscal_year}"
    decides = Audience(
        (Grant(Persona.PORTFOLIO_OWNER, fact.product.portfolio),),
        schedule=(fact.fiscal_year, fact.product),
        not_submitters=True,
    )
    owners = Audience(
        (Grant(Persona.PRODUCT_OWNER, fact.product),), schedule=(fact.fiscal_year, fact.product), submitters_too=True
    )
    submit = commands("Submit a new one:", _schedule_command("submit", fact, "--file", "months.csv"))
    match fact:
        case Submitted():
            text = f"{_amount(fact.amounts, fact.currency)} of {_figure(fact.annual, fact.currency)} were spread."
            how = _decision(fact, version, "approve", "reject")
            return Notice(decides, f"To approve: schedule of {of}", paragraphs(text, said("Note", fact.note), how))
        case RescheduleRequested():
            with_it = f" The new schedule is attached: {_amount(fact.amounts, fact.currency)}." if fact.amounts else ""
            text = f"The approved schedule shall be changed, and stays in force until it is.{with_it}"
            how = _decision(fact, version, "grant", "deny")
            return Notice(decides, f"To decide: reschedule of {of}", paragraphs(text, said("Why", fact.reason), how))
        case Approved():
            text = "The schedule is approved, and in force from now on."
            return Notice(owners, f"Approved: schedule of {of}", paragraphs(text, said("Note", fact.note)))
        case Rejected():
            text = "The schedule was not approved."
            return Notice(owners, f"Rejected: schedule of {of}", paragraphs(text, said("Why", fact.reason), submit))
        case RescheduleGranted():
            text = "The schedule may be changed; the approved one stays in force until the new one is approved."
            return Notice(owners, f"Granted: reschedule of {of}", paragraphs(text, said("Note", fact.note), submit))
        case RescheduleDenied():
            text = "The approved schedule stays as it is."
            return Notice(owners, f"Denied: reschedule of {of}", paragraphs(text, said("Why", fact.reason)))
        case Returned():
            text = (
                f"What was submitted, {_figure(fact.submitted, fact.currency)}, does not fit the annual budget any "
                f"more, which is {_figure(fact.annual, fact.currency)} now."
            )
            return Notice(owners, f"Returned: schedule of {of}", paragraphs(text, said("Why", fact.reason), submit))
        case WentOverBudget():
            text = (
                f"The approved schedule plans {_figure(fact.planned, fact.currency)}, and the annual budget is "
                f"{_figure(fact.annual, fact.currency)} now. It stays in force until a reschedule is approved."
            )
            request = _schedule_command("request", fact, "--reason", "'What has to change'")
            how = commands("Request a reschedule:", request)
            return Notice(owners, f"Over budget: schedule of {of}", paragraphs(text, how))
    return None


def _of_anything_waiting(fact: Reminded | Escalated) -> Notice:
    if is_of_account(fact):
        return of_waiting_account(fact)
    return of_waiting_workload(fact) if is_of_workload(fact) else _of_waiting(fact)


def _of_waiting(fact: Reminded | Escalated) -> Notice:
    of, turn = f"schedule of {fact.product} for {fact.fiscal_year}", fact.persona.replace("_", " ")
    schedule, decides = (fact.fiscal_year, fact.product), fact.persona is Persona.PORTFOLIO_OWNER
    look = commands("What waits for you:", f"allot tasks --as {YOU}")
    show = commands("What it is about:", f"allot schedule show {quote(str(fact.product))} --year {fact.fiscal_year}")
    if isinstance(fact, Reminded):
        audience = Audience((Grant(fact.persona, fact.node),), schedule=schedule, not_submitters=decides)
        text = f"It is still the turn of the {turn}. This is reminder {fact.count}."
        return Notice(audience, f"Reminder: {of}", paragraphs(text, show, look))
    above: tuple[Grant, ...]
    if decides:
        above = (
            Grant(Persona.DEPARTMENT_OWNER, fact.product.portfolio.parent),
            Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT),
        )
        task = "You may decide in the portfolio owner's place."
    else:
        above = (Grant(Persona.PORTFOLIO_OWNER, fact.product.portfolio),)
        task = "You cannot do it in their place: see to it that they do."
    why = {
        Overdue.WAITED_TOO_LONG: f"The {turn} has been waited for too long.",
        Overdue.NOBODY_LEFT: f"No {turn} is left who may decide.",
    }[fact.reason]
    audience = Audience(above, schedule=schedule, not_submitters=decides)
    return Notice(audience, f"Escalated: {of}", paragraphs(f"{why} {task}", show, look))


def _of_person(fact: Granted | GrantWithdrawn | Delegated | DelegationEnded) -> Notice:
    audience = Audience(people=(fact.person_id,))
    look = commands("What waits for you:", f"allot tasks --as {YOU}")
    match fact:
        case Granted():
            role = _role(fact.persona, fact.node)
            return Notice(audience, f"You are {role}", paragraphs(f"You are {role} from now on.", look))
        case GrantWithdrawn():
            role = _role(fact.persona, fact.node)
            text = f"You do not act as {role} any more; what waited for you goes to somebody else."
            return Notice(audience, f"You are not {role} any more", paragraphs(text, said("Why", fact.reason)))
        case Delegated():
            days = f"from {fact.first_day} to {fact.last_day}"
            text = f"Somebody lets you decide in their place {days}, both days included."
            return Notice(audience, f"Delegated to you {days}", paragraphs(text, said("Note", fact.note), look))
        case DelegationEnded():
            return Notice(audience, "A delegation to you has ended", "What was delegated to you is no longer yours.")


def _role(persona: Persona, node: NodePath) -> str:
    where = "the organization" if node == NodePath.ROOT else str(node)
    return f"{persona.replace('_', ' ')} of {where}"


def _decision(fact: ScheduleFact, version: int, yes: str, no: str) -> str:
    on = ("--version", str(version))
    reason = ("--reason", "'What has to change'")
    return commands("Decide by one of:", _schedule_command(yes, fact, *on), _schedule_command(no, fact, *on, *reason))


def _schedule_command(name: str, fact: ScheduleFact, *more: str) -> str:
    return " ".join(
        ["allot schedule", name, quote(str(fact.product)), "--year", str(fact.fiscal_year), *more, "--as", YOU]
    )


def _amount(amounts: Mapping[Month, Decimal], currency: str) -> str:
    return _figure(total(list(amounts.values())), currency)


def _figure(amount: Decimal, currency: str) -> str:
    return f"{currency} {figure(amount, currency)}"


_FACTS: Sequence[type[Fact]] = (
    Submitted,
    RescheduleRequested,
    Approved,
    Rejected,
    RescheduleGranted,
    RescheduleDenied,
    Returned,
    WentOverBudget,
    Reminded,
    Escalated,
    Granted,
    GrantWithdrawn,
    Delegated,
    DelegationEnded,
    AlignmentOpened,
    AllocationProposed,
    ProposalDeclined,
    Allocated,
    EstimateSubmitted,
    EstimateApproved,
    EstimateRejected,
)
TOLD: frozenset[str] = frozenset(fact.fact_name for fact in _FACTS)
"""Names of the facts that somebody is told of."""
