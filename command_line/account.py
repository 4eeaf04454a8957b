"""`allot account`: the accounts of AWS Organizations, from vending to budget, and the products they belong to."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from command_line import account_allocating, account_board, account_files, account_rules, options
from command_line.account_shown import shown_account
from command_line.account_terms import AccountArgument, account_id, known_account, told
from command_line.output import Column, safe, show, table
from command_line.session import Session
from domain.account import Lifecycle
from views.account_models import AccountDetail

app = typer.Typer(no_args_is_help=True, help="AWS accounts, and the products their spend belongs to.")
_COLUMNS = (
    Column("Account"),
    Column("Name", fold=True),
    Column("State"),
    Column("Unit", fold=True),
    Column("Joined"),
    Column("Type"),
    Column("From"),
    Column("Products", fold=True),
)
_STATE = f"Only these, such as {Lifecycle.VENDED} or {Lifecycle.SPENDING}; may be given several times."


@app.command("list")
def list_accounts(
    state: Annotated[list[Lifecycle] | None, typer.Option("--state", metavar="STATE", help=_STATE)] = None,
    as_json: options.Json = False,
) -> None:
    """List the accounts with their state and the products they are allocated to now."""
    session = Session.open(as_json)
    with session.views() as views:
        accounts = views.accounts(today=session.today())
    chosen = [account for account in accounts if not state or account.lifecycle in state]
    data = {"accounts": [dict(account) for account in chosen]}
    if not chosen:
        none = "No account is in that state." if accounts else "No accounts are known yet: "
        hint = "" if accounts else "`allot organization sync` reads AWS Organizations."
        show(data, as_json, lambda: [none + hint])
        return
    show(data, as_json, lambda: [table("Accounts", _COLUMNS, (_row(account) for account in chosen))])


def _row(account: AccountDetail) -> tuple[object, ...]:
    joined = account.joined_at.date() if account.joined_at else ""
    seen = (account.account_id, account.name, account.lifecycle, account.ou_path, joined)
    allocation = account.allocation
    if allocation is None:
        proposal = account.proposal
        waiting = f"proposed: {'; '.join(told(proposal.shares))}" if proposal else "unallocated"
        return (*seen, "", "", waiting)
    products = Text("\n".join(safe(line) for line in told(allocation.shares)))
    return (*seen, allocation.account_type, allocation.effective_on, products)


@app.command("show")
def show_account(account: AccountArgument, as_json: options.Json = False) -> None:
    """Show an account: where it stands, how long it took, its allocations, what is proposed, what happened to it."""
    session, account = Session.open(as_json), account_id(account)
    with session.views() as views:
        detail = known_account(views, session, account)
        allocations = views.allocations(account, session.today())
        happened = views.audit(account)
    data = {
        "account": dict(detail),
        "allocations": [dict(one) for one in allocations],
        "events": [dict(one) for one in happened],
    }
    show(data, as_json, lambda: shown_account(detail, allocations, happened, session))


app.command("allocate")(account_allocating.allocate)
app.command("propose")(account_allocating.propose)
app.command("accept")(account_allocating.accept)
app.command("decline")(account_allocating.decline)
app.command("import")(account_files.import_allocations)
app.command("expect")(account_files.expect)
app.command("expect-file")(account_files.expect_file)
app.command("expected")(account_files.expected)
app.command("unexpect")(account_files.unexpect)
app.command("board")(account_board.board)
app.command("events")(account_board.events)
app.add_typer(account_rules.app, name="rules")
