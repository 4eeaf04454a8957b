"""Claiming and releasing resources, many at once: all of them, or none (product rules, section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field

from domain.account import Account, account_stream
from domain.calendar import Month
from domain.claim import Claim, Claimed, Released, Resource, ResourceName, stream_of
from domain.closing import closing_stream
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    NoteText,
    Rule,
    States,
    Stream,
)
from domain.errors import Refusal
from domain.people import require
from domain.workload import Component, Workload, workload_stream
from domain.workload_commands import WorkloadCommand, is_allocated, known_workload, require_allocated, require_living

CLAIM_RESOURCES_MAX = 500
"""Resources of one command."""
FAULTS_SHOWN_MAX = 3
"""Resources named in a refusal."""
RESOURCE_CHARS_SHOWN = 200
"""Of a resource's key, in a message."""

Resources = Annotated[tuple[ResourceName, ...], Field(min_length=1, max_length=CLAIM_RESOURCES_MAX)]


class ClaimResources(WorkloadCommand):
    """The workload claims these resources from tomorrow on."""

    kind: Literal["claim.Claim"] = "claim.Claim"
    resources: Resources
    component: Component | None = None
    """Of the workload. Default: `application`; for what is the workload's already, the one that it has."""
    note: NoteText = ""


class ReleaseResources(Command):
    """Whoever has claimed these resources has them until today."""

    kind: Literal["claim.Release"] = "claim.Release"
    resources: Resources
    reason: NoteText = ""

    @property
    def subject(self) -> Stream:
        return stream_of(self.resources[0])


def decide_claim(states: States, command: ClaimResources, context: Context) -> Decision:
    workload = known_workload(states, command)
    authority = require(context, Action.CLAIM_RESOURCE, command.product)
    require_living(workload, command, context)
    tomorrow = _tomorrow(context)
    if workload.ends_on <= tomorrow:
        raise Refusal(
            f"The workload {command.workload} ends today, and a claim takes effect tomorrow.", code="WorkloadEnded"
        )
    _require_open_month(states, tomorrow, context)
    faults: list[str] = []
    events: list[Event] = []
    for name in dict.fromkeys(command.resources):
        if fault := _claim_fault(states, name, command, tomorrow):
            faults.append(fault)
        elif fact := _claim_of(states, name, command, tomorrow, context):
            events.append(Event(stream_of(name), fact))
    if faults:
        raise Refusal(f"No resource was claimed: {_shown_faults(faults)}", code="NotClaimable")
    message = _counted(len(events), f"claimed by {command.workload} from {tomorrow} on")
    return Decision(events, message + _left(command.resources, events), authority)


def _claim_fault(states: States, name: ResourceName, command: ClaimResources, day: date) -> str | None:
    """Why the workload cannot have it from that day on; None where it can, or has."""
    account: Account = states[account_stream(name.account_id)]
    if not is_allocated(account, command.product, day):
        try:
            require_allocated(account, name.account_id, command.product, day)
        except Refusal as refusal:
            return f"{shown(name)}: {refusal.message}"
    claim = claim_on(states, name, day)
    if claim is None or (claim.product, claim.workload) == (command.product, command.workload):
        return None
    return (
        f"{shown(name)} is claimed by the workload {claim.workload} of {claim.product} since {claim.since}: it has to "
        "be released first."
    )


def _claim_of(
    states: States, name: ResourceName, command: ClaimResources, day: date, context: Context
) -> Claimed | None:
    """None where it is the workload's, as it should be, already."""
    there = claim_on(states, name, day)
    before: Resource = states[stream_of(name)]
    component = command.component or (there.component if there else Component.APPLICATION)
    if there is not None and there.component is component:
        return None
    return Claimed(
        account_id=name.account_id,
        resource=name.resource,
        product=command.product,
        workload=command.workload,
        component=component,
        effective_on=_not_before(before, day),
        claimed_by=context.actor.person_id,
        note=command.note,
    )


def decide_release(states: States, command: ReleaseResources, context: Context) -> Decision:
    """Each is released on the authority over the product that has claimed it."""
    tomorrow = _tomorrow(context)
    events: list[Event] = []
    authorities: list[Authority] = []
    for name in dict.fromkeys(command.resources):
        claim = claim_on(states, name, tomorrow)
        if claim is None:
            continue
        authorities.append(require(context, Action.CLAIM_RESOURCE, claim.product))
        fact = Released(
            account_id=name.account_id,
            resource=name.resource,
            product=claim.product,
            workload=claim.workload,
            effective_on=max(tomorrow, claim.since),
            released_by=context.actor.person_id,
            reason=command.reason,
        )
        events.append(Event(stream_of(name), fact))
    if events:
        _require_open_month(states, tomorrow, context)
    message = _counted(len(events), f"released from {tomorrow} on")
    return Decision(events, message + _left(command.resources, events), _shared(authorities))


def _shared(authorities: Sequence[Authority]) -> Authority:
    """Events of one decision name one authority. Raises Refusal where there are several."""
    if len({authority.on_behalf_of for authority in authorities}) > 1:
        raise Refusal(
            "Some of these resources would be released on one's own authority and others on somebody's behalf: release "
            "them one product after the other.",
            code="SeveralAuthorities",
        )
    policies = dict.fromkeys(policy for authority in authorities for policy in authority.policies)
    return authorities[0]._replace(policies=tuple(policies)) if authorities else Authority()


def claim_on(states: States, name: ResourceName, day: date) -> Claim | None:
    """The claim that holds on a day that is not over yet; the workload that has it must have been read."""
    resource: Resource = states[stream_of(name)]
    claim = resource.claim
    if claim is None or resource.until is not None:
        return None
    holder: Workload = states[workload_stream(claim.product, claim.workload)]
    return claim if day < holder.ends_on else None


def _not_before(resource: Resource, day: date) -> date:
    """The day, but never one that an earlier claim holds on: the clocks of two workers may differ at midnight."""
    if resource.claim is None:
        return day
    return max(day, resource.claim.since, resource.until or day)


def shown(name: ResourceName) -> str:
    """A resource's name in a message."""
    key = name.resource
    short = key if len(key) <= RESOURCE_CHARS_SHOWN else key[: RESOURCE_CHARS_SHOWN - 1] + "…"
    return f"{short} in account {name.account_id}"


def _shown_faults(faults: Sequence[str]) -> str:
    more = f" And {len(faults) - FAULTS_SHOWN_MAX:,} more." if len(faults) > FAULTS_SHOWN_MAX else ""
    return " ".join(faults[:FAULTS_SHOWN_MAX]) + more


def _counted(count: int, what: str) -> str:
    return f"{count:,} resource{'s' * (count != 1)} {what}"


def _left(resources: Sequence[ResourceName], events: Sequence[Event]) -> str:
    left = len(set(resources)) - len(events)
    return f"; {left:,} {'was' if left == 1 else 'were'} like that already." if left else "."


def _tomorrow(context: Context) -> date:
    """When everything about claims takes effect."""
    return context.today + timedelta(days=1)


def _require_open_month(states: States, day: date, context: Context) -> None:
    month = Month.of(day)
    year = context.organization.calendar.fiscal_year_of(month)
    if month in states[closing_stream(year)]:
        raise Refusal(f"{month} is closed: nothing is claimed or released in it any more.", code="ClosedMonth")


def _closing(context: Context) -> Stream:
    return closing_stream(context.organization.calendar.fiscal_year_of(Month.of(_tomorrow(context))))


def _reads_of_claim(command: ClaimResources, context: Context) -> Sequence[Stream]:
    accounts = dict.fromkeys(account_stream(name.account_id) for name in command.resources)
    return (command.subject, _closing(context), *accounts, *map(stream_of, dict.fromkeys(command.resources)))


def _reads_of_release(command: ReleaseResources, context: Context) -> Sequence[Stream]:
    return (_closing(context), *map(stream_of, dict.fromkeys(command.resources)))


def _claimants(states: States, command: ClaimResources | ReleaseResources, _context: Context) -> Sequence[Stream]:
    """The workloads that have claimed them: with these, their claims end."""
    claims = [states[stream_of(name)].claim for name in command.resources]
    return tuple(dict.fromkeys(workload_stream(claim.product, claim.workload) for claim in claims if claim))


RULES: dict[type[Command], Rule] = {
    ClaimResources: Rule(_reads_of_claim, decide_claim, _claimants),
    ReleaseResources: Rule(_reads_of_release, decide_release, _claimants),
}
