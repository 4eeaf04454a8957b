"""`allot person list` and `show`: who is here, what they may do, in whose place, and what waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from rich.console import ConsoleRenderable

from command_line import options
from command_line.decisions import known_person
from command_line.output import Column, Styled, persona_words, show, table
from command_line.session import Session
from command_line.tasks import Doer, task_data, task_table
from domain.hierarchy import NodePath
from views.models import DelegationDetail, PersonDetail

GONE = "dim"


def list_people(as_json: options.Json = False) -> None:
    """List everybody in the directory, with what they may do where."""
    session = Session.open(as_json)
    with session.views() as views:
        people = views.people()
    columns = (Column("E-mail", fold=True), Column("Name", fold=True), Column("State"), Column("Grants", fold=True))
    rows = [
        Styled(
            (person.email, person.name, state(person), "; ".join(grants(person))), GONE if person.deactivated else ""
        )
        for person in people
    ]
    data = {"people": [{**dict(person), "state": state(person)} for person in people]}
    show(data, as_json, lambda: [table("People", columns, rows)])


def show_person(email: options.EmailArgument, as_json: options.Json = False) -> None:
    """Show somebody's grants, what was delegated to and by them, and what waits for them."""
    session = Session.open(as_json)
    today, now, business = session.today(), datetime.now(UTC), session.organization.business
    with session.views() as views:
        person = known_person(views, email)
        delegations = views.delegations(person.person_id)
        tasks = views.tasks(person.person_id, today)
    data = {
        **dict(person),
        "state": state(person),
        "delegations": [{**dict(one), "holds_today": one.holds_on(today)} for one in delegations],
        "tasks": [task_data(task, business, now, Doer.of(person)) for task in tasks],
    }

    def people() -> list[ConsoleRenderable | str]:
        parts: list[ConsoleRenderable | str] = [
            f"{', '.join(filter(None, (person.name, person.email)))}: {state(person)}"
        ]
        parts += [f"  {grant}" for grant in grants(person)] or ["  no grants"]
        if delegations:
            parts += ["", _delegations(person, delegations, today)]
        parts += ["", task_table("Tasks", tasks, business, now) if tasks else "Nothing waits for them."]
        return parts

    show(data, as_json, people)


def state(person: PersonDetail) -> str:
    if person.deactivated:
        return "deactivated"
    return "active" if person.registered else "not registered"  # named in a budget file, say


def grants(person: PersonDetail) -> list[str]:
    return [f"{persona_words(grant.persona)} of {_node_words(grant.node)}" for grant in person.grants]


def _node_words(node: NodePath) -> str:
    return str(node) if node.level else "the whole organization"


def _delegations(person: PersonDetail, delegations: Sequence[DelegationDetail], today: date) -> ConsoleRenderable:
    columns = (Column("In place of", fold=True), Column("Decides", fold=True), Column("From"), Column("Until"))
    rows = [
        Styled(
            (one.delegated_by_name, one.person_name, one.first_day, one.last_day, _holds(one, today), one.note),
            "" if one.holds_on(today) else GONE,
        )
        for one in delegations
    ]
    return table("Delegations", (*columns, Column("State"), Column("Note", fold=True)), rows)


def _holds(one: DelegationDetail, today: date) -> str:
    if one.ended_at is not None:
        return "taken back"
    if today < one.first_day:
        return "to come"
    return "holds" if one.holds_on(today) else "over"
