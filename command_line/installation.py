"""`allot setup`: tables, search attributes and schedules, and the first Financial Admin. As often as one likes.

The only module of the command line that touches the ledger: before anything is set up there is no worker to ask, and
views are rebuilt from the log itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import uuid5

import typer

from command_line import options
from command_line.doors import run, temporal
from command_line.output import show
from command_line.session import Session
from domain.decision import NAMESPACE, SYSTEM, Accepted, Channel, Command, Persona
from domain.errors import BadInput, CommandConflict, Forbidden, error_named
from domain.people_commands import GrantPersona, RegisterPerson

FIRST_ADMIN = uuid5(NAMESPACE, "setup/first-financial-admin")
"""Id of the command that makes somebody the first Financial Admin. Being always the same, it is carried out once."""


def setup(
    admin: Annotated[str | None, typer.Option(metavar="EMAIL", help="Who becomes the first Financial Admin.")] = None,
    name: Annotated[str, typer.Option(help="Name of the first Financial Admin.")] = "",
    as_json: options.Json = False,
) -> None:
    """Set up the database and Temporal, and the first Financial Admin. Running it again does no harm."""
    session = Session.open(as_json)
    if name and not admin:
        raise BadInput("--name is the name of the first Financial Admin: give --admin EMAIL as well.")
    data = set_up(session, admin, name)
    lines = [
        f"Tables are up to date ({data['migrations']} migrations run now).",
        "Temporal knows the search attributes and the schedule for reading AWS Organizations.",
    ]
    if place := session.settings.budget_drop:
        lines.append(f"Budget files are looked for in {place} every {session.settings.budget_drop_minutes} minutes.")
    if admin:
        lines.append(f"First Financial Admin: {data['admin']['message']}")
    show(data, as_json, lambda: lines)


def set_up(session: Session, admin: str | None, name: str) -> dict[str, Any]:
    """Does what is not done yet; what was done now, for the answer."""
    from ledger.migrate import migrate  # noqa: PLC0415 - the library behind the ledger patches dataclasses: only where needed

    data: dict[str, Any] = {"migrations": migrate(session.database_url), "admin": None}
    run(_set_up_temporal(session))
    if admin:
        data["admin"] = {"email": admin, "message": _appoint(session, admin, name)}
    return data


async def _set_up_temporal(session: Session) -> None:
    from workflows.cost_schedules import remove_cost_watches  # noqa: PLC0415 - likewise
    from workflows.schedules import ensure_schedules  # noqa: PLC0415 - brings the workflow runtime: only where needed
    from workflows.search_attributes import register  # noqa: PLC0415 - likewise

    async with temporal(session) as client:
        await register(client)
        settings = session.settings
        drop_minutes = settings.budget_drop_minutes if settings.budget_drop else None
        await ensure_schedules(client, settings.organization_sync_minutes, drop_minutes)
        if not settings.cost_sources:
            await remove_cost_watches(client)  # else it is up to the workers, who can read the sources


def _appoint(session: Session, email: str, name: str) -> str:
    """Once per installation. Raises Forbidden where somebody else was appointed before."""
    from ledger.ledger import Ledger  # noqa: PLC0415 - as above
    from rights.cedar import CedarRights  # noqa: PLC0415 - likewise

    with Ledger(session.database_url, session.settings.organization(), rights=CedarRights(), pool_size=1) as ledger:
        known = ledger.people.find(email)
        if known is None and ledger.is_known(FIRST_ADMIN):
            raise _appointed_already(email)  # before anything of somebody else is kept
        person = str(known or ledger.people.ensure(email, name))
        shared: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": person}
        register = RegisterPerson(command_id=uuid5(FIRST_ADMIN, person), **shared)
        appoint = GrantPersona(command_id=FIRST_ADMIN, persona=Persona.FINANCIAL_ADMIN, **shared)
        try:
            _accepted(ledger, register)
            return _accepted(ledger, appoint).message
        except CommandConflict:
            raise _appointed_already(email) from None


def _appointed_already(email: str) -> Forbidden:
    return Forbidden(
        "This installation has had its first Financial Admin, and it was somebody else: they can let more "
        f"people be one, with `allot person add {email} NAME --grant financial_admin --as THEIR-EMAIL`.",
        code="AlreadyAppointed",
    )


def rebuild_views(session: Session, progress: Callable[[int, int], None]) -> tuple[int, int]:
    """Computes all views anew; number and position of what is live now."""
    from ledger.ledger import Ledger  # noqa: PLC0415 - as above
    from rights.cedar import CedarRights  # noqa: PLC0415 - likewise
    from views.rebuild import rebuild  # noqa: PLC0415 - likewise

    organization = session.settings.organization()
    with Ledger(session.database_url, organization, rights=CedarRights(), pool_size=1) as ledger:
        generation = rebuild(ledger, session.database_url, organization, progress)
    return generation.number, generation.position


def _accepted(ledger: Any, command: Command) -> Accepted:
    outcome = ledger.record(command)
    if not isinstance(outcome, Accepted):
        raise error_named(outcome.error, outcome.message, outcome.code)
    return outcome
