"""`allot person`: who may act, as which persona, on which nodes, and in whose place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import NAMESPACE_OID, uuid5

import typer

from command_line import options, people_import, people_shown
from command_line.acting import acting
from command_line.decisions import carry_out, outcome_data, registered
from command_line.output import note as say
from command_line.output import show
from command_line.session import Session, day, node_path
from domain.decision import Accepted, Channel, Persona
from domain.errors import AllotError, BadInput
from domain.hierarchy import NodePath
from domain.people_commands import (
    DeactivatePerson,
    Delegate,
    EndDelegation,
    GrantPersona,
    ReactivatePerson,
    WithdrawGrant,
)
from domain.process import RegisterPersonRequest
from domain.registry import AnyCommand

app = typer.Typer(no_args_is_help=True, help="People: what they may do where, and in whose place.")

Reason = Annotated[str, typer.Option(help="Why; kept with the event.")]
To = Annotated[str, typer.Option("--to", metavar="EMAIL", help="Who may decide in your place.")]
GRANT_HELP = (
    "PERSONA or PERSONA:NODE, such as 'product_owner:Retail/Digital/Web/Checkout'. Personas: "
    + ", ".join(persona.value for persona in Persona)
    + "."
)
Grants = Annotated[list[str], typer.Argument(metavar="GRANT…", help=GRANT_HELP)]


@app.command()
@acting
def add(
    session: Session,
    email: options.EmailArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As others know them.")],
    grants: Annotated[list[str] | None, typer.Option("--grant", metavar="GRANT", help=GRANT_HELP)] = None,
) -> None:
    """Add a person, with any number of grants."""
    wanted = [grant_of(text) for text in grants or []]
    request = RegisterPersonRequest(
        command_id=session.new_command_id(), actor=session.person(), channel=Channel.CLI, email=email, name=name
    )
    outcome = registered(session, request)
    granted = _each(wanted, lambda one: _grant(session, email, *one), f"{name}: {outcome.message}")
    data = {"command_id": session.command_id, "email": email, **_data(outcome), "grants": [_data(g) for g in granted]}
    show(data, session.as_json, lambda: [" ".join([f"{name}: {outcome.message}", *(g.message for g in granted)])])


@app.command()
@acting
def grant(session: Session, email: options.EmailArgument, grants: Grants) -> None:
    """Let a person act as a persona on a node and all below it."""
    granted = _each([grant_of(text) for text in grants], lambda one: _grant(session, email, *one))
    _show_each(session, email, granted)


@app.command()
@acting
def withdraw(session: Session, email: options.EmailArgument, grants: Grants, reason: Reason = "") -> None:
    """Take grants away. What waits for the person waits for the others who hold them, or for the level above."""

    def take(one: tuple[Persona, NodePath]) -> Accepted:
        persona, node = one
        own = _one_of_many(session, persona, node)
        return carry_out(own, WithdrawGrant(**own.shared(), person=email, persona=persona, node=node, reason=reason))

    _show_each(session, email, _each([grant_of(text) for text in grants], take))


@app.command()
@acting
def deactivate(session: Session, email: options.EmailArgument, reason: Reason = "") -> None:
    """Take everything from somebody who has left: their grants, and what was delegated to them."""
    _decide(session, email, DeactivatePerson(**session.shared(), person=email, reason=reason))


@app.command()
@acting
def reactivate(session: Session, email: options.EmailArgument) -> None:
    """Bring somebody back, without the grants they had."""
    _decide(session, email, ReactivatePerson(**session.shared(), person=email))


@app.command()
@acting
def delegate(
    session: Session,
    to: To,
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="Last day, YYYY-MM-DD.")],
    since: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day, YYYY-MM-DD; default: today.")
    ] = None,
    note: options.Note = "",
) -> None:
    """Let somebody else decide in your place for some days. What they do is recorded with both names."""
    first = day(since, "--from") if since else session.today()
    command = Delegate(**session.shared(), person=to, first_day=first, last_day=day(until, "--until"), note=note)
    _decide(session, to, command)


@app.command("end-delegation")
@acting
def end_delegation(session: Session, to: To) -> None:
    """Take back what you have delegated to somebody, from now on."""
    _decide(session, to, EndDelegation(**session.shared(), person=to))


app.command("import")(people_import.import_people)
app.command("list")(people_shown.list_people)
app.command("show")(people_shown.show_person)


def grant_of(text: str) -> tuple[Persona, NodePath]:
    """Reads `persona` or `persona:node`."""
    persona, _, node = text.partition(":")
    try:
        return Persona(persona.strip()), node_path(node)
    except ValueError:
        known = ", ".join(known.value for known in Persona)
        raise BadInput(
            f"{persona!r} is not a persona. A grant is PERSONA or PERSONA:NODE; personas: {known}."
        ) from None


def _grant(session: Session, email: str, persona: Persona, node: NodePath) -> Accepted:
    own = _one_of_many(session, persona, node)
    return carry_out(own, GrantPersona(**own.shared(), person=email, persona=persona, node=node))


def _each(
    wanted: Sequence[tuple[Persona, NodePath]], do: Callable[[tuple[Persona, NodePath]], Accepted], before: str = ""
) -> list[Accepted]:
    """One after the other. Where one is refused, what was done before it is said, because it stays done."""
    outcomes: list[Accepted] = []
    try:
        for one in wanted:
            outcomes.append(do(one))  # noqa: PERF401 - those before a refusal are needed
    except AllotError:
        for message in filter(None, [before, *(outcome.message for outcome in outcomes)]):
            say(message)
        raise
    return outcomes


def _one_of_many(session: Session, persona: Persona, node: NodePath) -> Session:
    """Each grant is a command of its own; its id follows from ours, so that repeating the whole is safe."""
    return replace(session, command_id=uuid5(NAMESPACE_OID, f"{session.command_id}/{persona}/{node}"))


def _decide(session: Session, email: str, command: AnyCommand) -> None:
    outcome = carry_out(session, command)
    show({**outcome_data(session, outcome), "email": email}, session.as_json, lambda: [outcome.message])


def _show_each(session: Session, email: str, outcomes: list[Accepted]) -> None:
    data = {"command_id": session.command_id, "email": email, "grants": [_data(outcome) for outcome in outcomes]}
    show(data, session.as_json, lambda: [outcome.message for outcome in outcomes])


def _data(outcome: Accepted) -> dict[str, Any]:
    return {"message": outcome.message, "events": outcome.events, "position": outcome.position}
