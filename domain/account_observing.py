"""What Organizations shows of accounts becomes part of their history: first sight, changes, departure and return.

Two sources report the same things, in any order and more than once. Each says when it was so (`observed_at`), and what
is older than what is known changes nothing. In the same decision it is found out whether somebody has to say which
products the account's spend belongs to: an occasion is opened then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from domain.account import (
    ENDING_STATES,
    ORGANIZATION_STREAM,
    Account,
    AwsOrganization,
    account_stream,
    account_streams,
    evolve,
)
from domain.account_facts import (
    AccountId,
    AccountSeen,
    AlignmentEnded,
    AlignmentOpened,
    Changed,
    Departed,
    Observed,
    Occasion,
    OrganizationSeen,
    Returned,
    Vended,
)
from domain.account_rules import RULES_STREAM, AccountRules, as_product, suggestion_for
from domain.decision import (
    Action,
    Command,
    Context,
    Decision,
    Event,
    LineText,
    Rule,
    States,
    Stream,
)
from domain.hierarchy import NodePath
from domain.model import Model
from domain.people import require

OBSERVATIONS_MAX = 20
"""Accounts of one observation: a page of ListAccounts."""
SOURCE_CHARS_MAX = 100
SYNC = "sync"
"""Source of what a full read has found."""
NO_CONSEQUENCE = frozenset({"name", "email", "state", "joined_method", "joined_at"})
"""Fields whose change never calls for another budget."""


class ObserveAccounts(Command):
    """Accounts as read from Organizations; only what is new or different is recorded."""

    kind: Literal["account.Observe"] = "account.Observe"
    organization_id: str
    management_account_id: AccountId
    accounts: Annotated[tuple[AccountSeen, ...], Field(max_length=OBSERVATIONS_MAX)]
    observed_at: AwareDatetime | None = None
    """When they were like that; None for now."""
    source: Annotated[LineText, Field(max_length=SOURCE_CHARS_MAX)] = SYNC

    @property
    def subject(self) -> Stream:
        return ORGANIZATION_STREAM


class Departure(Model):
    account_id: AccountId
    how: Annotated[LineText, Field(max_length=SOURCE_CHARS_MAX)]
    at: AwareDatetime


class RecordDepartures(Command):
    """Accounts that Organizations does not know any more."""

    kind: Literal["account.RecordDepartures"] = "account.RecordDepartures"
    departures: Annotated[tuple[Departure, ...], Field(min_length=1, max_length=OBSERVATIONS_MAX)]
    observed_at: AwareDatetime
    """When they were not there."""
    source: Annotated[LineText, Field(max_length=SOURCE_CHARS_MAX)] = SYNC

    @property
    def subject(self) -> Stream:
        return ORGANIZATION_STREAM


def decide_observe(states: States, command: ObserveAccounts, context: Context) -> Decision:
    authority = require(context, Action.OBSERVE_ORGANIZATION, NodePath.ROOT)
    events: list[Event] = []
    seen_before: AwsOrganization = states[ORGANIZATION_STREAM]
    organization = (command.organization_id, command.management_account_id)
    if (seen_before.organization_id, seen_before.management_account_id) != organization:
        fact = OrganizationSeen(
            organization_id=command.organization_id, management_account_id=command.management_account_id
        )
        events.append(Event(ORGANIZATION_STREAM, fact))
    rules: AccountRules = states[RULES_STREAM]
    observed = 0
    for seen in {one.account_id: one for one in command.accounts}.values():  # where one is named twice, the last counts
        found = _observed(states[account_stream(seen.account_id)], seen, command, rules, context)
        observed += bool(found)
        events += found
    return Decision(events, f"{observed} of {len(command.accounts)} accounts new or changed.", authority)


def _observed(
    known: Account, seen: AccountSeen, command: ObserveAccounts, rules: AccountRules, context: Context
) -> list[Event]:
    observed_at = command.observed_at or context.now
    if is_older(known, command.observed_at):
        return []
    stream = account_stream(seen.account_id)
    fact = _fact(known, seen, {"source": command.source, "observed_at": observed_at})
    after = evolve(known, fact) if fact else known
    events = [Event(stream, fact)] if fact else []
    if (reason := _occasion(known, after, rules)) is not None:
        opened = AlignmentOpened(account_id=seen.account_id, occasion=known.occasion + 1, reason=reason)
        events.append(Event(stream, opened))
    elif after.is_open and after.is_over and not (known.is_over or after.spends_unallocated):
        events.append(_ended(seen.account_id, after, "closed"))
    return events


def is_older(known: Account, observed_at: AwareDatetime | None) -> bool:
    """Whether what was seen then is overtaken by what is known."""
    latest = max((at for at in (known.as_of, known.departed_at) if at is not None), default=None)
    return observed_at is not None and latest is not None and observed_at < latest


def _fact(known: Account, seen: AccountSeen, origin: dict[str, object]) -> Observed | None:
    """None where nothing is different."""
    if known.seen is None:
        return Vended.model_validate(seen.model_dump() | origin)
    if seen.tags is None:
        seen = seen.model_copy(update={"tags": known.seen.tags})
    if known.departed_at is not None:
        return Returned.model_validate(seen.model_dump() | origin)
    changed = changes(known.seen, seen)
    return Changed.model_validate(seen.model_dump() | origin | {"changed": changed}) if changed else None


def changes(known: AccountSeen, seen: AccountSeen) -> tuple[str, ...]:
    """Names of the fields that differ; tags that were not read are as they were."""
    return tuple(
        name
        for name in AccountSeen.model_fields
        if getattr(known, name) != getattr(seen, name) and not (name == "tags" and seen.tags is None)
    )


def needs_alignment(account: Account) -> bool:
    """Whether nobody has said which products it belongs to, and nobody is asked yet."""
    if account.is_open or account.allocations or account.seen is None:
        return False
    return account.spends_unallocated or not (account.is_over or account.seen.state in ENDING_STATES)


def _occasion(before: Account, after: Account, rules: AccountRules) -> Occasion | None:
    """Why somebody has to be asked now; None where there is no need."""
    if needs_alignment(after):
        if before.seen is None or not before.occasion:
            return Occasion.SPENDING if after.spends_unallocated else Occasion.FIRST_SIGHT
        return Occasion.RETURNED  # it was closed, or away
    if after.is_open or after.is_over or not after.allocations or before.seen is None or after.seen is None:
        return None
    changed = set(changes(before.seen, after.seen)) - NO_CONSEQUENCE
    returned = before.departed_at is not None
    if not (changed or returned) or not _calls_for_another(before, after, rules):
        return None
    if returned:
        return Occasion.RETURNED
    return Occasion.MOVED if "ou_path" in changed else Occasion.TAGS_CHANGED


def _calls_for_another(before: Account, after: Account, rules: AccountRules) -> bool:
    """Whether a rule says something else of the account now than its allocation.

    A product that is requested by its code is not looked up here: where the code is another one than before, the
    process finds out, and ends where it comes to the same.
    """
    assert before.seen is not None
    assert after.seen is not None
    suggested = suggestion_for(rules.rules, after.seen, as_product)
    if suggested is not None:
        last = after.allocations[-1]
        return suggested.allocation != (last.account_type, last.shares)
    old, new = before.seen.tags or {}, after.seen.tags or {}
    requested = {rule.product_tag for rule in rules.rules if rule.product_tag}
    return any(new.get(tag) and new.get(tag) != old.get(tag) for tag in requested)


def decide_depart(states: States, command: RecordDepartures, context: Context) -> Decision:
    authority = require(context, Action.OBSERVE_ORGANIZATION, NodePath.ROOT)
    events: list[Event] = []
    for departure in {one.account_id: one for one in command.departures}.values():
        known: Account = states[account_stream(departure.account_id)]
        if has_departed(known, departure, command.observed_at):
            events += _departed(known, departure, command)
    return Decision(events, f"{len(command.departures)} accounts looked at.", authority)


def has_departed(known: Account, departure: Departure, observed_at: AwareDatetime) -> bool:
    """Whether that is news: of an account that is known and there, and has not joined, or been seen, since."""
    if known.seen is None or known.departed_at is not None or is_older(known, observed_at):
        return False
    return departure.at >= known.seen.joined_at


def _departed(known: Account, departure: Departure, command: RecordDepartures) -> list[Event]:
    """At the latest when it was not there any more: what is seen before a moment to come would count as overtaken."""
    stream = account_stream(departure.account_id)
    at = min(departure.at, command.observed_at)
    fact = Departed(account_id=departure.account_id, how=departure.how, at=at, source=command.source)
    events = [Event(stream, fact)]
    if known.is_open and not known.spends_unallocated:
        events.append(_ended(departure.account_id, known, "departed"))
    return events


def _ended(account_id: str, account: Account, reason: str) -> Event:
    fact = AlignmentEnded(account_id=account_id, occasion=account.occasion, reason=reason)
    return Event(account_stream(account_id), fact)


def _reads_observe(command: ObserveAccounts, _context: Context) -> Sequence[Stream]:
    accounts = account_streams([seen.account_id for seen in command.accounts])
    return (ORGANIZATION_STREAM, RULES_STREAM, *accounts)


def _reads_depart(command: RecordDepartures, _context: Context) -> Sequence[Stream]:
    return account_streams([departure.account_id for departure in command.departures])


RULES: dict[type[Command], Rule] = {
    ObserveAccounts: Rule(_reads_observe, decide_observe),
    RecordDepartures: Rule(_reads_depart, decide_depart),
}
