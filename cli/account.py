"""`allot account`: the accounts of AWS Organizations, and the products that their spend belongs to."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.text import Text

from cli import options
from cli.acting import acting
from cli.decisions import carry_out, outcome_data
from cli.output import Column, safe, show, table
from cli.session import Session, day, product_path
from domain.account_allocating import AllocateAccount
from domain.allocation import AccountType, Share
from domain.errors import BadInput
from domain.money import exact, plain
from views.models import AccountDetail, AllocationDetail

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)

app = typer.Typer(no_args_is_help=True, help="AWS accounts, and the products their spend belongs to.")


@app.command("list")
def list_accounts(as_json: options.Json = False) -> None:
    """List the accounts with their state and the products they are allocated to now."""
    session = Session.open(as_json)
    with session.views() as views:
        accounts = views.accounts()
    data = {"accounts": [dict(account) for account in accounts]}
    if not accounts:
        show(data, as_json, lambda: ["No accounts are known yet: `allot organization sync` reads AWS Organizations."])
        return
    columns = (
        Column("Account"),
        Column("Name", fold=True),
        Column("State"),
        Column("Unit", fold=True),
        Column("Joined"),
        Column("Type"),
        Column("From"),
        Column("Products", fold=True),
    )
    show(data, as_json, lambda: [table("Accounts", columns, (_row(account) for account in accounts))])


def _row(account: AccountDetail) -> tuple[object, ...]:
    seen = (account.account_id, account.name, account.state, account.ou_path, account.joined_at.date())
    allocation = account.allocation
    if allocation is None:
        return (*seen, "", "", "unallocated")
    return (
        *seen,
        allocation.account_type,
        allocation.effective_on,
        Text("\n".join(safe(line) for line in _told(allocation))),
    )


def _told(allocation: AllocationDetail) -> list[str]:
    return [f"{plain(share.percent)} % {share.product}" for share in allocation.shares]


@app.command()
@acting
def allocate(
    session: Session,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Id of the account, 12 digits.")],
    shares: Annotated[list[str], typer.Argument(metavar="PRODUCT=PERCENT…", help="Shares that add up to exactly 100.")],
    account_type: Annotated[
        AccountType, typer.Option("--type", metavar="TYPE", help=f"What the account is for: {', '.join(AccountType)}.")
    ],
    effective_on: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATE",
            help="First day, YYYY-MM-DD; default: the vending date or the 1st of last month, whichever is later.",
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Why; needed where it reaches further back than that.")] = "",
) -> None:
    """Allocate an account's spend to products, in percent, from a date on."""
    if not _ACCOUNT_ID.fullmatch(account):
        raise BadInput(f"{account!r} is not an account id, which has 12 digits: see `allot account list`.")
    command = AllocateAccount(
        **session.shared(),
        account_id=account,
        account_type=account_type,
        shares=tuple(_share(text) for text in shares),
        effective_on=day(effective_on, "--from") if effective_on else None,
        note=note,
    )
    outcome = carry_out(session, command)
    with session.views() as views:
        allocations = views.allocations(account)
    data = {**outcome_data(session, outcome), "account_id": account, "allocations": [dict(one) for one in allocations]}
    told = [line for one in allocations[-1:] for line in _told(one)]
    show(data, session.as_json, lambda: [f"{outcome.message} {'; '.join(told)}"])


def _share(text: str) -> Share:
    product, sign, percent = text.rpartition("=")
    if not sign:
        raise BadInput(f"{text!r} is not a share: write PRODUCT=PERCENT, such as 'Retail/Digital/Web/Checkout=60'.")
    try:
        return Share(product=product_path(product), percent=exact(percent.strip().removesuffix("%").strip()))
    except ValueError as error:
        raise BadInput(f"{text!r}: {error}.") from None
