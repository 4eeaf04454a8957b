"""`allot workload`: what parts of a product are to cost, and whether they do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from command_line import options
from command_line.acting import acting
from command_line.decisions import carry_out, outcome_data, suggestion
from command_line.doors import decide_on_estimate
from command_line.output import note as say
from command_line.output import show
from command_line.session import Session, month, node_path, product_path
from command_line.workload_shown import ScheduleDraft, draft_data, draft_tables, list_tables, workload_tables
from command_line.workload_terms import InFile, Monthly, WorkloadArgument, as_file, blank, estimate, name_of
from domain.errors import BadInput, NotFound, Refusal
from domain.estimate_commands import CALCULATOR_HOST, EstimateCommand, ReviseEstimate, SubmitEstimate, WithdrawEstimate
from domain.estimate_decisions import ApproveEstimate, RejectEstimate
from domain.estimate_process import EstimateUpdateName
from domain.hierarchy import NodePath
from domain.money import plain
from domain.workload import State
from domain.workload_commands import CreateWorkload, EndWorkload, RenameWorkload, WithdrawWorkload, WorkloadCommand
from views.queries import Views
from views.workload_models import WorkloadDetail

app = typer.Typer(no_args_is_help=True, help="Workloads of a product: what they are to cost, and whether they do.")

Version = Annotated[int | None, typer.Option(min=1, help="The version you saw; default: the one shown now.")]
EndMonth = Annotated[str | None, typer.Option("--end", metavar="YYYY-MM", help="Its last month.")]


@app.command()
@acting
def create(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="An account that is allocated to the product.")],
    launch: Annotated[str, typer.Option(metavar="YYYY-MM", help="Its first month.")],
    end: EndMonth = None,
    note: options.Note = "",
) -> None:
    """Create a workload, as the product's owner. Without --end it lasts until the end of the fiscal year."""
    months = {"launch_month": month(launch, "--launch"), "end_month": month(end, "--end") if end else None}
    _decide(session, CreateWorkload(**_about(session, product, workload), account_id=account, note=note, **months))


@app.command()
@acting
def rename(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    title: Annotated[str, typer.Option(help="What it is called from now on.")],
) -> None:
    """Show a workload under another title. In commands it keeps the name under which it was created."""
    _decide(session, RenameWorkload(**_about(session, product, workload), title=title))


@app.command()
@acting
def end(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    last: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="Its last month, from this one on.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")] = "",
) -> None:
    """Let a workload end with another month, earlier or later. Its claims end with it."""
    _decide(session, EndWorkload(**_about(session, product, workload), end_month=month(last, "--month"), reason=reason))


@app.command()
@acting
def drop(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
) -> None:
    """Give a workload up from tomorrow on: its estimate counts no more, and its claims end."""
    _decide(session, WithdrawWorkload(**_about(session, product, workload), reason=reason))


@app.command()
@acting
def submit(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    monthly: Monthly = None,
    file: InFile = None,
    calculator: Annotated[
        str, typer.Option(metavar="URL", help=f"Where it was worked out: https://{CALCULATOR_HOST}/…")
    ] = "",
    note: Annotated[str, typer.Option(help="What whoever decides should know.")] = "",
) -> None:
    """Submit an estimate for approval, as the product's owner."""
    found = _found(session, product, workload)
    amounts = estimate(monthly, file, found.launch_month, found.end_month)
    about = {**_about(session, product, workload), "calculator_url": calculator, "note": note}
    command = SubmitEstimate(**about, amounts=amounts)
    _decide_on(session, EstimateUpdateName.SUBMIT, command, found.round + (found.state is State.APPROVED))


@app.command()
@acting
def approve(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    version: Version = None,
    note: options.Note = "",
) -> None:
    """Approve an estimate, as the owner of its portfolio. It counts from then on."""
    found = _found(session, product, workload)
    command = ApproveEstimate(**_about(session, product, workload), version=version or _shown_version(found), note=note)
    _decide_on(session, EstimateUpdateName.APPROVE, command, found.round)


@app.command()
@acting
def reject(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    reason: Annotated[str, typer.Option(help="What has to change.")],
    version: Version = None,
) -> None:
    """Send an estimate back with a reason, as the owner of its portfolio."""
    found = _found(session, product, workload)
    command = RejectEstimate(
        **_about(session, product, workload), version=version or _shown_version(found), reason=reason
    )
    _decide_on(session, EstimateUpdateName.REJECT, command, found.round)


@app.command()
@acting
def withdraw(
    session: Session, product: options.ProductArgument, workload: WorkloadArgument, note: options.Note = ""
) -> None:
    """Take back an estimate that waits for a decision, as the product's owner."""
    found = _found(session, product, workload)
    command = WithdrawEstimate(**_about(session, product, workload), note=note)
    _decide_on(session, EstimateUpdateName.WITHDRAW, command, found.round)


@app.command()
@acting
def revise(session: Session, product: options.ProductArgument, workload: WorkloadArgument) -> None:
    """Take up a rejected estimate again, as the product's owner. Submitting it again does so by itself."""
    found = _found(session, product, workload)
    command = ReviseEstimate(**_about(session, product, workload))
    _decide_on(session, EstimateUpdateName.REVISE, command, found.round)


@app.command("estimate")
def estimate_file(product: options.ProductArgument, workload: WorkloadArgument, as_json: options.Json = False) -> None:
    """Print the newest estimate as the CSV file that `submit --file` takes; one of zeros where there is none."""
    found = _found(Session.open(as_json), product, workload)
    amounts = found.submitted or blank(found.launch_month, found.end_month)
    show({"amounts": amounts}, as_json, lambda: as_file(amounts).splitlines())


@app.command("list")
def list_workloads(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Only below this node.")] = "/",
    as_json: options.Json = False,
) -> None:
    """List workloads: their months, what was estimated, how many resources they have claimed, whose turn it is."""
    session = Session.open(as_json)
    with session.views() as views:
        found = views.workloads(node_path(node), session.today())
    show({"workloads": found}, as_json, lambda: list_tables(found, session.today()))


@app.command("show")
def show_workload(product: options.ProductArgument, workload: WorkloadArgument, as_json: options.Json = False) -> None:
    """Show a workload: estimate, actual and drift by month and component, its claims, whose turn it is."""
    session = Session.open(as_json)
    found = _found(session, product, workload)
    show(workload_data(found), as_json, lambda: workload_tables(found, session.today()))


@app.command("to-schedule")
def to_schedule(
    product: options.ProductArgument,
    year: options.Year = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Write the draft there, for `allot schedule submit --file`.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make a draft of the product's schedule of its approved estimates, and compare it with the annual budget."""
    session = Session.open(as_json)
    path, fiscal_year = product_path(product), session.fiscal_year(year)
    with session.views() as views:
        estimated, schedule = views.estimated(path), views.schedule(fiscal_year, path)
    months = {of: estimated.get(of, Decimal(0)) for of in session.organization.calendar.months(fiscal_year)}
    annual = schedule.annual if schedule else None
    draft = ScheduleDraft(str(path), fiscal_year, session.currency, months, annual)
    if file is not None:
        lines = ["month,amount", *(f"{of},{plain(amount)}" for of, amount in months.items())]
        try:
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise BadInput(f"{file} cannot be written: {error.strerror or error}.") from None
    show(draft_data(draft), as_json, lambda: draft_tables(draft, str(file or "")))


def workload_data(found: WorkloadDetail) -> dict[str, Any]:
    return {**dict(found), "months": [{**dict(one), "drift": one.drift} for one in found.months]}


def _about(session: Session, product: str, workload: str) -> dict[str, Any]:
    """What all commands to a workload say."""
    return {**session.shared(), "product": product_path(product), "workload": name_of(workload)}


def _found(session: Session, product: str, workload: str) -> WorkloadDetail:
    with session.views() as views:
        return known_workload(views, session, product_path(product), name_of(workload))


def known_workload(views: Views, session: Session, product: NodePath, name: str) -> WorkloadDetail:
    """Raises NotFound, with similar names, where the product has none of that name."""
    if (found := views.workload(product, name, session.today())) is None:
        others = [one.workload for one in views.workloads(product)]
        raise NotFound(
            f"{product} has no workload {name}.{suggestion([name], others)} See `allot workload list`.",
            code="UnknownWorkload",
        )
    return found


def _shown_version(found: WorkloadDetail) -> int:
    """The version that the views show, which is what this person can have seen."""
    # Whoever decides a second time means the version that was decided on, which the decision has moved by one.
    version = found.version if found.state is State.SUBMITTED else max(1, found.turn - 1)
    say(f"Deciding on version {version} of {found.workload}.")
    return version


def _decide(session: Session, command: WorkloadCommand) -> None:
    """What waits for nobody."""
    _answer(session, command, carry_out(session, command))  # type: ignore[arg-type] # each may come from outside


def _decide_on(session: Session, update: EstimateUpdateName, command: EstimateCommand, round_: int) -> None:
    try:
        outcome = carry_out(
            session,
            command,  # type: ignore[arg-type] # each may come from outside
            lambda: decide_on_estimate(session, update, command, round_),
        )
    except Refusal as refusal:
        if refusal.code != "OtherRound":
            raise
        raise type(refusal)(
            f"The estimate of {command.workload} went on to another round meanwhile: look at it with `allot workload "
            "show`, and give the command again if it still holds.",
            code=refusal.code,
        ) from None
    _answer(session, command, outcome)


def _answer(session: Session, command: WorkloadCommand, outcome: Any) -> None:
    with session.views() as views:
        found = views.workload(command.product, command.workload, session.today())
    data = {**outcome_data(session, outcome), "workload": workload_data(found) if found else None}
    show(data, session.as_json, lambda: [outcome.message])
