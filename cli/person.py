"""`allot person`: who may act, as which persona, on which nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from uuid import NAMESPACE_OID, uuid5

import typer

from cli import options
from cli.decisions import carry_out, registered
from cli.output import show
from cli.session import Session, node_path
from domain.decision import Accepted, Persona
from domain.errors import BadInput
from domain.hierarchy import NodePath
from domain.people import GrantPersona
from domain.process import RegisterPersonRequest

app = typer.Typer(no_args_is_help=True, help="People, and what they may do where.")

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address, by which the person is known.")]
GRANT_HELP = (
    "PERSONA or PERSONA:NODE, such as 'product_owner:Retail/Digital/Web/Checkout'. Personas: "
    + ", ".join(persona.value for persona in Persona)
    + "."
)


@app.command()
def add(
    email: EmailArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As others know them.")],
    grants: Annotated[list[str] | None, typer.Option("--grant", metavar="GRANT", help=GRANT_HELP)] = None,
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.AnswerWithin = options.ANSWER_WITHIN_S,
    command_id: options.CommandId = None,
) -> None:
    """Add a person, with any number of grants."""
    session = Session.open(as_json, actor, timeout_s, command_id)
    wanted = [grant_of(text) for text in grants or []]
    request = RegisterPersonRequest(command_id=session.new_command_id(), actor=session.person(), email=email, name=name)
    outcome = registered(session, request)
    granted = [_grant(session, email, *grant) for grant in wanted]
    data = {"command_id": session.command_id, "email": email, **_data(outcome), "grants": [_data(g) for g in granted]}
    show(data, as_json, lambda: [" ".join([f"{name}: {outcome.message}", *(g.message for g in granted)])])


@app.command()
def grant(
    email: EmailArgument,
    grants: Annotated[list[str], typer.Argument(metavar="GRANT…", help=GRANT_HELP)],
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.AnswerWithin = options.ANSWER_WITHIN_S,
    command_id: options.CommandId = None,
) -> None:
    """Let a person act as a persona on a node and all below it."""
    session = Session.open(as_json, actor, timeout_s, command_id)
    granted = [_grant(session, email, *grant) for grant in [grant_of(text) for text in grants]]
    data = {"command_id": session.command_id, "email": email, "grants": [_data(g) for g in granted]}
    show(data, as_json, lambda: [g.message for g in granted])


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
    """Each grant is a command of its own; its id follows from ours, so that repeating the whole is safe."""
    command_id = uuid5(NAMESPACE_OID, f"{session.command_id}/{persona}/{node}")
    command = GrantPersona(command_id=command_id, actor=session.person(), person=email, persona=persona, node=node)
    return carry_out(replace(session, command_id=command_id), command)


def _data(outcome: Accepted) -> dict[str, Any]:
    return {"message": outcome.message, "events": outcome.events, "position": outcome.position}
