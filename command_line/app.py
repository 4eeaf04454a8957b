"""All commands of `allot`, in the order in which the help lists them."""

from __future__ import annotations

import typer

from command_line import (
    account,
    audit,
    budget,
    cost,
    export,
    installation,
    month,
    notify,
    organization,
    person,
    resource,
    rollup,
    schedule,
    stack,
    tasks,
    view,
    workload,
)
from command_line.demo import demo

app = typer.Typer(
    name="allot",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # foreseeable errors are told in `command_line.failures`
    rich_markup_mode=None,
    help="Budgets for an AWS estate: every decision an event, every wait a durable process.",
)
app.command()(demo)
app.command()(stack.up)
app.command()(stack.down)
app.command()(installation.setup)
app.add_typer(budget.app, name="budget")
app.add_typer(schedule.app, name="schedule")
app.add_typer(month.app, name="month")
app.add_typer(workload.app, name="workload")
app.add_typer(resource.app, name="resource")
app.add_typer(account.app, name="account")
app.add_typer(person.app, name="person")
app.add_typer(organization.app, name="organization")
app.add_typer(cost.app, name="cost")
app.command("rollup")(rollup.rollup)
app.command("export")(export.export)
app.command("tasks")(tasks.tasks)
app.command("audit")(audit.audit)
app.add_typer(notify.app, name="notify")
app.add_typer(view.app, name="view")
