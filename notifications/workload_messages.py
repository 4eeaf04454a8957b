"""What is told of the estimates of workloads, and to whom."""

from __future__ import annotations

from shlex import quote

from domain.decision import Grant, Persona
from domain.hierarchy import NodePath
from domain.money import figure
from domain.waiting import Escalated, Overdue, Reminded
from domain.workload import (
    EstimateApproved,
    EstimateRejected,
    EstimateSubmitted,
    split_key,
    sum_of,
    workload_stream,
)
from notifications.notice import YOU, Audience, Notice, commands, paragraphs, said

type EstimateFact = EstimateSubmitted | EstimateApproved | EstimateRejected

_WORKLOAD = f"{workload_stream(NodePath.ROOT, '-').category}/"


def of_estimate(fact: EstimateFact, version: int) -> Notice:
    of, where = f"estimate of {fact.workload} of {fact.product}", f"Workload {fact.workload} of {fact.product}."
    subject = (fact.product, fact.workload)
    owners = Audience((Grant(Persona.PRODUCT_OWNER, fact.product),), workload=subject, submitters_too=True)
    match fact:
        case EstimateSubmitted():
            decides = Audience(
                (Grant(Persona.PORTFOLIO_OWNER, fact.product.portfolio),), workload=subject, not_submitters=True
            )
            text = f"{fact.currency} {figure(sum_of(fact.amounts), fact.currency)} were estimated in all. {where}"
            how = commands(
                "Decide by one of:",
                _command("approve", *subject, "--version", str(version)),
                _command("reject", *subject, "--version", str(version), "--reason", "'What has to change'"),
            )
            return Notice(decides, f"To approve: {of}", paragraphs(text, said("Note", fact.note), _show(*subject), how))
        case EstimateApproved():
            text = f"The estimate is approved, and counts from now on. {where}"
            return Notice(owners, f"Approved: {of}", paragraphs(text, said("Note", fact.note), _show(*subject)))
        case EstimateRejected():
            how = commands("Submit a new one:", _command("submit", *subject, "--file", "estimate.csv"))
            text = f"The estimate was not approved. {where}"
            return Notice(owners, f"Rejected: {of}", paragraphs(text, said("Why", fact.reason), how))


def is_of_workload(fact: Reminded | Escalated) -> bool:
    return fact.subject.startswith(_WORKLOAD)


def of_waiting_workload(fact: Reminded | Escalated) -> Notice:
    product, name = split_key(fact.subject.removeprefix(_WORKLOAD))
    of, turn = f"estimate of {name} of {product}", fact.persona.replace("_", " ")
    decides = fact.persona is Persona.PORTFOLIO_OWNER
    look = commands("What waits for you:", f"allot tasks --as {YOU}")
    if isinstance(fact, Reminded):
        audience = Audience((Grant(fact.persona, fact.node),), workload=(product, name), not_submitters=decides)
        text = f"It is still the turn of the {turn}. This is reminder {fact.count}."
        return Notice(audience, f"Reminder: {of}", paragraphs(text, _show(product, name), look))
    above: tuple[Grant, ...] = (Grant(Persona.PORTFOLIO_OWNER, product.portfolio),)
    task = "You cannot do it in their place: see to it that they do."
    if decides:
        department = Grant(Persona.DEPARTMENT_OWNER, product.portfolio.parent)
        above = (department, Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT))
        task = "You may decide in the portfolio owner's place."
    waited = fact.reason is Overdue.WAITED_TOO_LONG
    why = f"The {turn} has been waited for too long." if waited else f"No {turn} is left who may decide."
    audience = Audience(above, workload=(product, name), not_submitters=decides)
    return Notice(audience, f"Escalated: {of}", paragraphs(f"{why} {task}", _show(product, name), look))


def _show(product: NodePath, name: str) -> str:
    return commands("What it is about:", f"allot workload show {quote(str(product))} {quote(name)}")


def _command(verb: str, product: NodePath, name: str, *more: str) -> str:
    return " ".join(["allot workload", verb, quote(str(product)), quote(name), *more, "--as", YOU])
