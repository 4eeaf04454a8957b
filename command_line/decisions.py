"""Carrying out one decision: ask whether the ledger is there, send the command, wait until the views show it."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from command_line.doors import decide, register_person, run
from command_line.output import note
from command_line.session import Session
from command_line.works import Step
from domain.account_allocating import AccountCommand, AllocateAccount, ProposeAllocation
from domain.decision import Accepted
from domain.errors import AllotError, NotFound, Unavailable
from domain.hierarchy import NodePath
from domain.process import RegisterPersonRequest
from domain.registry import AnyCommand
from domain.schedule_commands import ScheduleCommand
from views.models import PersonDetail
from views.queries import Views

VIEWS_WITHIN_S = 10.0
LOOK_EVERY_S = 0.25
BEHIND = "ViewsBehind"
"""Code of the error of views that have not come so far yet."""
SUGGESTIONS_MAX = 3
COMPARED_MAX = 5_000
"""Names compared with a mistyped one; more would take longer than the answer is worth."""
SIMILAR = 0.85


def carry_out(
    session: Session, command: AnyCommand, send: Callable[[], Coroutine[Any, Any, Accepted]] | None = None
) -> Accepted:
    """The command's outcome, once the views show it. Raises the refusal, with similar names where one was unknown."""
    with session.views() as views:
        views.position()  # says at once where PostgreSQL is down, rather than after a process has tried in vain
        try:
            outcome = run(send() if send else decide(session, command))
        except NotFound as error:
            raise with_suggestions(views, command, error) from None
        wait_for_views(views, outcome.position)
        return outcome


def registered(session: Session, request: RegisterPersonRequest) -> Accepted:
    """Somebody new, once the views show them."""
    with session.views() as views:
        views.position()
        outcome = run(register_person(session, request))
        wait_for_views(views, outcome.position)
        return outcome


def wait_for_views(
    views: Views, position: int, step: Step = lambda name, done, whole: None, within_s: float = VIEWS_WITHIN_S
) -> None:
    """Returns when what was just recorded can be read; says so where that takes too long."""
    start, deadline = views.position(), time.monotonic() + within_s
    while True:
        try:
            views.wait_for(position, LOOK_EVERY_S)
            return
        except Unavailable as error:
            if error.code != BEHIND or time.monotonic() > deadline:
                note(f"It is recorded (position {position}), but cannot be shown yet: {error.message}")
                return
        step("Bringing the views up to date", views.position() - start, position - start)


def outcome_data(session: Session, outcome: Accepted) -> dict[str, Any]:
    """What every decision answers to a machine."""
    return {
        "command_id": session.command_id,
        "message": outcome.message,
        "events": outcome.events,
        "position": outcome.position,
        "version": outcome.version,
    }


def with_suggestions(views: Views, command: AnyCommand, error: AllotError) -> AllotError:
    """The same error, with names that look like the one that is not known."""
    match error.code:
        case "UnknownProduct":
            years = [command.fiscal_year] if isinstance(command, ScheduleCommand) else views.fiscal_years()
            found = [similar_products(views, year, product) for product in _products(command) for year in years]
            return type(error)(error.message + next(filter(None, found), ""), code=error.code)
        case "UnknownAccount":
            wanted = [command.account_id] if isinstance(command, AccountCommand) else []
            known = list(views.known_accounts())
        case "UnknownPerson":
            wanted, known = [command.actor, *command.people()], list(views.known_people())
        case _:
            return error
    there = {name.lower() for name in known}
    unknown = [name for name in wanted if name.lower() not in there]
    named = f" Not known: {', '.join(unknown)}." if unknown else ""
    return type(error)(error.message + named + suggestion(unknown, known), code=error.code)


def known_person(views: Views, email: str) -> PersonDetail:
    """Raises NotFound, with similar addresses, for somebody who is not in the directory."""
    if (person := views.person(email)) is None:
        known = views.known_people()
        raise NotFound(
            f"Nobody with the address {email} is known here.{suggestion([email], list(known))}", code="UnknownPerson"
        )
    return person


def _products(command: AnyCommand) -> list[NodePath]:
    match command:
        case AllocateAccount() | ProposeAllocation():
            return [share.product for share in command.shares]
        case ScheduleCommand():
            return [command.product]
    return []


def similar_products(views: Views, fiscal_year: int, product: NodePath) -> str:
    """` Did you mean …?`, or nothing: for a product that is not known. Looks nearby first, then further away."""
    for level in range(product.level - 1, -1, -1):
        prefix = f"{NodePath(product.parts[:level])}/" if level else ""
        known = [str(path) for path in views.known_products(fiscal_year, prefix, COMPARED_MAX)]
        if str(product) in known:
            return ""
        if found := suggestion([str(product)], known):
            return found
    return ""


def suggestion(wanted: Iterable[str], known: list[str]) -> str:
    """` Did you mean …?`, or nothing."""
    shown = {other.lower(): other for other in known[:COMPARED_MAX]}
    near = [
        shown[match]
        for name in wanted
        for match in difflib.get_close_matches(name.lower(), shown, n=SUGGESTIONS_MAX, cutoff=SIMILAR)
    ]
    return f" Did you mean {' or '.join(repr(name) for name in near[:SUGGESTIONS_MAX])}?" if near else ""
