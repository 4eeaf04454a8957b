"""`allot resource`: what costs something in the accounts, and which workload has claimed it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import ConsoleRenderable

from command_line import options
from command_line.account_terms import account_id
from command_line.acting import acting
from command_line.decisions import carry_out, outcome_data
from command_line.doors import run, search_resources
from command_line.files import bytes_of
from command_line.output import Column, figures, money, show, table
from command_line.session import Session, month, product_path
from command_line.workload import known_workload
from command_line.workload_terms import WorkloadArgument, name_of
from domain.claim import ResourceName
from domain.claim_commands import CLAIM_RESOURCES_MAX, ClaimResources, ReleaseResources
from domain.errors import BadInput
from domain.resource_search import PAGE_MAX, FoundResource, ResourcePage, ResourceQuery
from domain.workload import Component

app = typer.Typer(no_args_is_help=True, help="Resources in the cost reports: find them, claim them, release them.")

FILE_BYTES_MAX = 2_000_000
ACCOUNT_DIGITS = 12

Account = Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Only in this account.")]
Accounts = Annotated[list[str] | None, typer.Option("--account", metavar="ACCOUNT", help="Only there; repeatable.")]
Service = Annotated[str, typer.Option(help="Part of the service's name.")]
Id = Annotated[str, typer.Option("--id", help="Part of the resource's id.")]
Name = Annotated[str, typer.Option(help="Part of its Name tag.")]
Tag = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A tag with that value; repeatable.")]
Period = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Billing period; default: the newest imported.")]
Keys = Annotated[
    list[str] | None, typer.Option("--resource", metavar="KEY", help="Id of a resource in --account; repeatable.")
]
InFile = Annotated[
    Path | None, typer.Option("--file", help="A resource a line: its id, or the account's id, a blank and its id.")
]


@app.command("search")
@app.command("list")
def search(
    account: Accounts = None,
    service: Service = "",
    resource: Id = "",
    name: Name = "",
    tag: Tag = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only what nobody has claimed.")] = False,
    only_claimed: Annotated[bool, typer.Option("--claimed", help="Only what somebody has claimed.")] = False,
    product: Annotated[str | None, typer.Option(metavar="PRODUCT", help="With --workload: of this product.")] = None,
    workload: Annotated[str, typer.Option(help="Only what this workload has claimed; needs --product.")] = "",
    period: Period = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE_MAX, help="How many to show.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="How many to leave out, the dearest first.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Find resources in the newest cost report, the dearest first, and who has claimed them."""
    session = Session.open(as_json)
    if only_open and only_claimed:
        raise BadInput("A resource is open or claimed: give one of --open and --claimed.")
    if bool(workload) != (product is not None):
        raise BadInput("A workload is named together with its product: --product PRODUCT --workload NAME.")
    query = _query(
        account,
        tag,
        period,
        service=service,
        resource=resource,
        name=name,
        claimed=False if only_open else True if only_claimed else None,
        product=product_path(product) if product else None,
        workload=workload,
        limit=limit,
        offset=offset,
    )
    page = run(search_resources(session, query))
    show(dict(page), as_json, lambda: _page(page, query))


@app.command()
@acting
def claim(
    session: Session,
    product: options.ProductArgument,
    workload: WorkloadArgument,
    account: Account = None,
    resource: Keys = None,
    file: InFile = None,
    found: Annotated[bool, typer.Option("--search", help="All open ones that the options below find.")] = False,
    service: Service = "",
    resource_id: Id = "",
    name: Name = "",
    tag: Tag = None,
    component: Annotated[
        Component | None, typer.Option(metavar="COMPONENT", help=f"One of {', '.join(Component)}.")
    ] = None,
    note: options.Note = "",
) -> None:
    """Claim resources for a workload, from tomorrow on: all of them, or none. --account: the workload's by default."""
    path, wanted = product_path(product), name_of(workload)
    with session.views() as views:
        home = known_workload(views, session, path, wanted).account_id
    place = account_id(account) if account else home
    if found:
        if resource or file:
            raise BadInput("Name the resources in one way: --resource and --file, or --search.")
        query = _query([place], tag, None, service=service, resource=resource_id, name=name, claimed=False)
        names = _all_found(session, query)
    else:
        names = _named(place, resource, file)
    about = {**session.shared(), "product": path, "workload": wanted, "component": component, "note": note}
    _carry_out(session, ClaimResources(**about, resources=names))


@app.command()
@acting
def release(
    session: Session,
    account: Account = None,
    resource: Keys = None,
    file: InFile = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")] = "",
) -> None:
    """Release claimed resources, from tomorrow on: all of them, or none."""
    names = _named(account_id(account) if account else None, resource, file)
    _carry_out(session, ReleaseResources(**session.shared(), resources=names, reason=reason))


def _carry_out(session: Session, command: ClaimResources | ReleaseResources) -> None:
    outcome = carry_out(session, command)
    data = {**outcome_data(session, outcome), "resources": command.resources}
    show(data, session.as_json, lambda: [outcome.message])


def _query(accounts: list[str] | None, tags: list[str] | None, period: str | None, **fields: Any) -> ResourceQuery:
    pairs: dict[str, str] = {}
    for text in tags or []:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise BadInput(f"--tag {text!r}: write KEY=VALUE, such as team=web.")
        pairs[key] = value
    return ResourceQuery(
        account_ids=tuple(account_id(text) for text in accounts or []),
        billing_period=month(period, "--period") if period else None,
        tags=pairs,
        **fields,
    )


def _all_found(session: Session, query: ResourceQuery) -> tuple[ResourceName, ...]:
    """Every page of it. Raises BadInput for none, or for more than one command takes."""
    found: list[FoundResource] = []
    while True:
        page = run(search_resources(session, query.model_copy(update={"offset": len(found)})))
        found += page.resources
        if page.total > CLAIM_RESOURCES_MAX:
            raise BadInput(
                f"{page.total:,} open resources were found, and at most {CLAIM_RESOURCES_MAX} are claimed at once: "
                "look for less, by --service, --id, --name or --tag."
            )
        if not page.resources or len(found) >= page.total:
            break
    if not found:
        raise BadInput("No open resource was found: see `allot resource search`.")
    return tuple(ResourceName(account_id=one.account_id, resource=one.resource) for one in found)


def _named(account: str | None, keys: list[str] | None, file: Path | None) -> tuple[ResourceName, ...]:
    """As they were given, each once."""
    names = [_name(account, key.strip(), "--resource") for key in keys or []]
    if file is not None:
        try:
            lines = bytes_of(file, "a list of resources", FILE_BYTES_MAX).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise BadInput(f"{file} is not UTF-8 text: save it as such.") from None
        for number, line in enumerate(lines, start=1):
            where, text = f"{file}, line {number}", line.strip()
            first, _, rest = text.partition(" ") if " " in text else text.partition("\t")
            if len(first) == ACCOUNT_DIGITS and first.isdecimal() and rest.strip():
                names.append(_name(account_id(first), rest.strip(), where))
            elif text:
                names.append(_name(account, text, where))
    unique = tuple(dict.fromkeys(names))
    if not unique:
        raise BadInput("Name the resources: --resource KEY, or --file.")
    if len(unique) > CLAIM_RESOURCES_MAX:
        raise BadInput(f"{len(unique):,} resources were named; at most {CLAIM_RESOURCES_MAX} are taken at once.")
    return unique


def _name(account: str | None, key: str, where: str) -> ResourceName:
    if account is None:
        raise BadInput(f"{where}: say in which account it is: --account ACCOUNT.")
    try:
        return ResourceName(account_id=account, resource=key)
    except ValueError:
        raise BadInput(f"{where}: {key[:100]!r} is no resource's id, a line of 1 to 2,048 characters.") from None


def _page(page: ResourcePage, query: ResourceQuery) -> Iterator[ConsoleRenderable | str]:
    if page.billing_period is None:
        yield "No cost report was imported yet."
        return
    if not page.resources:
        yield f"No resource was found in {page.billing_period}."
        return
    columns = (
        Column("Resource", fold=True),
        Column("Account"),
        Column("Service"),
        Column("Name", fold=True),
        *figures("Cost"),
        Column("Claimed by", fold=True),
        Column("Since"),
    )
    title = f"Resources in {page.billing_period}, {page.currency}, {page.metric.replace('_', ' ')}"
    yield table(title, columns, [_row(one, page.currency) for one in page.resources])
    last = query.offset + len(page.resources)
    if last < page.total or query.offset:
        more = f"; more by --offset {last}" if last < page.total else ""
        yield f"{query.offset + 1:,} to {last:,} of {page.total:,}{more}."


def _row(one: FoundResource, currency: str) -> tuple[object, ...]:
    by = f"{one.workload} ({one.component}) of {one.product}" if one.workload else ""
    return (one.resource, one.account_id, one.service, one.name, money(one.cost, currency), by, one.since or "")
