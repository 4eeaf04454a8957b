"""`allot account import`, `expect`, `expected`, `unexpect`: many allocations at once; accounts before they appear."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from command_line import options
from command_line.account_terms import SharesArgument, TypeOption, shares, told
from command_line.acting import acting, working
from command_line.decisions import carry_out, outcome_data
from command_line.files import bytes_of, handed_in, tell_import
from command_line.output import Column, moment, show, table
from command_line.session import Session
from domain.account_process import (
    AccountFile,
    AccountFileKind,
    AccountImportResult,
    account_import_process_id,
)
from domain.errors import BadInput
from domain.expected_account import ExpectAccounts, ExpectedAccount, WithdrawExpectation
from domain.process import WorkflowName
from views.account_models import ExpectationStatus

FILE_BYTES_MAX = 10_000_000
EmailOption = Annotated[str, typer.Option(metavar="EMAIL", help="Address that the account is requested with.")]
NameOption = Annotated[str, typer.Option(metavar="NAME", help="Name of the account, where nobody knows the address.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check the file; nothing is recorded.")]


@working
def import_allocations(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: account, type, product, percent, from, note.")],
    dry_run: DryRun = False,
) -> None:
    """Allocate many accounts at once, as a file says: all of them or none."""
    _import(session, file, AccountFileKind.ALLOCATIONS, dry_run=dry_run)


@working
def expect_file(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV: email, name, type, product, percent, note; or a request file of Account Factory for Terraform.",
        ),
    ],
    product_tag: Annotated[
        str, typer.Option(metavar="KEY", help="In a request file: the tag or custom field that names the product.")
    ] = "",
    type_tag: Annotated[
        str, typer.Option(metavar="KEY", help="In a request file: the tag or custom field that names the type.")
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Register many accounts before they are vended: all of them or none."""
    tags = {"product_tag": product_tag, "type_tag": type_tag}
    _import(session, file, AccountFileKind.EXPECTED, dry_run=dry_run, **tags)


def _import(session: Session, file: Path, kind: AccountFileKind, *, dry_run: bool, **tags: str) -> None:
    content = bytes_of(file, "a file of accounts", FILE_BYTES_MAX)
    request = AccountFile(
        **session.shared(),
        kind=kind,
        content_hash=hashlib.sha256(content).hexdigest(),
        file_name=file.name,
        dry_run=dry_run,
        **tags,
    )
    process_id = account_import_process_id(request)
    result = handed_in(session, content, WorkflowName.ACCOUNT_IMPORT, request, process_id, AccountImportResult)
    counts = {"rows": result.rows, "recorded": result.recorded}
    tell_import(session, file.name, result, counts, "nothing was recorded")


@acting
def expect(
    session: Session,
    shares_: SharesArgument,
    account_type: TypeOption,
    email: EmailOption = "",
    name: NameOption = "",
    note: options.Note = "",
) -> None:
    """Register an account before it is vended: it is allocated the moment it appears."""
    if not (email.strip() or name.strip()):
        raise BadInput("Say how the account will be recognised: --email, or --name where nobody knows the address.")
    account = ExpectedAccount(email=email, name=name, account_type=account_type, shares=shares(shares_), note=note)
    with session.views() as views:
        known = views.accounts_named([account.key])
    command = ExpectAccounts(**session.shared(), accounts=(account,), known=known)
    outcome = carry_out(session, command)
    data = {**outcome_data(session, outcome), "key": account.key}
    show(data, session.as_json, lambda: [outcome.message])


@acting
def unexpect(
    session: Session,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
    email: EmailOption = "",
    name: NameOption = "",
) -> None:
    """Do not expect an account any more, with a reason."""
    if not (email.strip() or name.strip()):
        raise BadInput("Say which account: --email or --name, as it was registered.")
    command = WithdrawExpectation(**session.shared(), email=email, name=name, reason=reason)
    outcome = carry_out(session, command)
    show({**outcome_data(session, outcome), "key": command.key}, session.as_json, lambda: [outcome.message])


def expected(
    everything: Annotated[bool, typer.Option("--all", help="Also those that appeared, or are not expected.")] = False,
    as_json: options.Json = False,
) -> None:
    """List the accounts that are expected."""
    session = Session.open(as_json)
    with session.views() as views:
        found = views.expected_accounts(None if everything else ExpectationStatus.WAITING)
    data = {"expected": [dict(one) for one in found]}
    if not found:
        show(data, as_json, lambda: ["No account is expected."])
        return
    columns = (
        Column("E-mail", fold=True),
        Column("Name", fold=True),
        Column("Type"),
        Column("Products", fold=True),
        Column("Since"),
        Column("By", fold=True),
        Column("Status"),
        Column("Account"),
    )
    rows = [
        (
            one.email,
            one.name,
            one.account_type,
            "; ".join(told(one.shares)),
            moment(one.registered_at),
            one.registered_by_name,
            one.status,
            one.account_id,
        )
        for one in found
    ]
    show(data, as_json, lambda: [table("Expected accounts", columns, rows)])
