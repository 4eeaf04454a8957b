"""`allot demo`: the whole way once on sample data, by the very commands that a person would give.

Each step runs a command of this command line, shown as one would type it, with its real answer. Nothing is computed
here: what is shown comes out of the ledger and the views.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options
from cli.demo_company import Company
from cli.output import console, note, safe, show
from cli.rollup import read_rollup, rollup_data
from cli.session import Session, read_settings
from cli.stack import start_worker
from domain.errors import Unavailable
from embedded.stack import Stack

if TYPE_CHECKING:
    from cli.demo_aws import SeededAws

FOREIGN = ("AWS_", "ALLOT_", "TEMPORAL_")
OURS = ("ALLOT_STATE_DIR", "TEMPORAL_CLI")


def demo(
    context: typer.Context,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep running until Ctrl-C, or end after the tables.")
    ] = True,
    as_json: options.Json = False,
) -> None:
    """Show the whole way once on sample data, all on this machine; then keep running until Ctrl-C."""
    company = Company.read()
    state_dir, state_dir_given = read_settings().state_dir, os.environ.get("ALLOT_STATE_DIR")
    _leave_own_configuration_alone(company)
    started = time.monotonic()
    with Stack(state_dir, aws=True, fresh=True, progress=note, accounts_joined=company.accounts_joined) as stack:
        os.environ.update(stack.environment())
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            story = Story(company, stack, context, state_dir_given)
            try:
                story.tell()
            except KeyboardInterrupt:
                note("Stopping…")
                raise
            note(f"Done in {time.monotonic() - started:.0f} s.")
            if keep:
                story.show_what_next()
        if as_json:
            show(_data(company, stack), True, list)
        if keep:
            stack.wait()
            note("Stopping…")


def _leave_own_configuration_alone(company: Company) -> None:
    """The demo has servers of its own: what the environment says of real ones must not reach it, or be touched."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) and name not in OURS:
            del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    os.environ["ALLOT_CURRENCY"] = company.currency
    os.environ["ALLOT_FISCAL_YEAR_FIRST_MONTH"] = "1"


class Story:
    """The steps, in order."""

    def __init__(self, company: Company, stack: Stack, context: typer.Context, state_dir_given: str | None) -> None:
        self.company = company
        self._stack = stack
        self._root = context.find_root()
        self._state_dir_given = state_dir_given

    def tell(self) -> None:
        from cli.demo_aws import seed  # noqa: PLC0415 - boto3 takes half a second that no other command needs

        company, admin = self.company, self.company.admin
        with ThreadPoolExecutor(1) as aside:
            seeding = aside.submit(seed, company)  # takes seconds and needs nobody
            self.step("Set up, with a first Financial Admin")
            self.run("setup", "--admin", admin.email, "--name", admin.name)
            start_worker(self._stack)
            self.step(f"The people of {company.name}, and what they may do where")
            for run, person in zip(self.shown_once(), company.people[1:], strict=False):
                grants = [part for grant in person.grants for part in ("--grant", grant)]
                run("person", "add", person.email, person.name, *grants, "--as", admin.email)
            self.step("Finance loads the approved budget")
            self.run("budget", "load", _short(company.budget_path), "--as", admin.email)
            self.decide_on_schedules()
            self.align_accounts(seeding)
        self.show_result()

    def decide_on_schedules(self) -> None:
        self.step("Two product owners spread their budgets over months")
        year = ("--year", str(self.company.fiscal_year))
        approved, rejected = self.company.approved, self.company.rejected
        amounts = ("--amounts", approved.amounts, "--note", approved.note)
        self.run("schedule", "submit", approved.product, *year, *amounts, "--as", approved.owner)
        self.run("schedule", "submit", rejected.product, *year, "--even", "--as", rejected.owner)
        self.step("Their portfolio owner approves one, and rejects the other with a reason")
        self.run("schedule", "approve", approved.product, *year, "--as", approved.decided_by)
        reason = ("--reason", rejected.reason)
        self.run("schedule", "reject", rejected.product, *year, *reason, "--as", rejected.decided_by)

    def align_accounts(self, seeding: Future[SeededAws]) -> None:
        company, admin, aws = self.company, self.company.admin, seeding.result()
        count = len(company.accounts)
        self.step(f"{count} accounts and their management account are read from AWS Organizations, and allocated")
        self.run("organization", "sync")
        ids = [*aws.account_ids.values(), aws.management_account_id]
        since = (
            "--from",
            f"{company.fiscal_year}-01-01",
            "--note",
            f"Aligned with the budget of {company.fiscal_year}.",
        )
        to_allocate = [
            (account_id, allocated)
            for account_id, allocated in zip(ids, [*company.accounts, company.management_account], strict=True)
            if allocated.shares
        ]
        for run, (account_id, allocated) in zip(self.shown_once(), to_allocate, strict=False):
            run(
                "account",
                "allocate",
                account_id,
                *allocated.shares,
                "--type",
                allocated.type,
                *since,
                "--as",
                admin.email,
            )
        self.step("Actual spend is imported from the replicated Cost and Usage Report")
        self.run("cost", "import", aws.source, "--as", company.engineer.email)

    def show_result(self) -> None:
        self.step("Where the money stands")
        self.run("rollup", "--year", str(self.company.fiscal_year))
        self.step("What waits for somebody")
        self.run("tasks")

    def show_what_next(self) -> None:
        company, rejected = self.company, self.company.rejected
        year = ("--year", str(company.fiscal_year))
        amounts = ("--amounts", rejected.better_amounts)
        suggestions = [
            ("schedule", "submit", rejected.product, *year, *amounts, "--as", rejected.owner),
            ("schedule", "approve", rejected.product, *year, "--as", rejected.decided_by),
            ("tasks", "--as", company.admin.email),
            ("audit", company.approved.product),
            ("rollup", company.approved.product.split("/")[0], *year, "--json"),
        ]
        program = _program(self._state_dir_given)
        self.step("What to try next, in another terminal in this directory")
        for arguments in suggestions:
            _print(f"  {program} {shlex.join(arguments)}")
        _print(f"\nWatch the processes in the Temporal UI: {self._stack.ui_url}/namespaces/default/workflows")
        _print("Everything keeps running until Ctrl-C.")

    def shown_once(self) -> Iterator[Callable[..., None]]:
        """How to run each of many commands of one kind: the first one is shown, of the others the answer."""
        yield self.run
        while True:
            yield self.run_silently

    def step(self, title: str) -> None:
        console().print(f"\n── {title} ──", style="bold", markup=False)

    def run(self, *arguments: str) -> None:
        """Shows a command as one would type it, and runs it; an error of it is an error of the demo."""
        console().print(safe(f"$ allot {shlex.join(arguments)}"), style="cyan", markup=False, soft_wrap=True)
        self.run_silently(*arguments)

    def run_silently(self, *arguments: str) -> None:
        """Runs a command like one that was shown before; its answer is enough."""
        try:
            status = self._root.command.main(list(arguments), prog_name="allot", standalone_mode=False)
        except Unavailable:
            self._stack.check()  # where a process of ours has ended, that is the reason, and its log says more
            raise
        if status:
            raise typer.Exit(status)


def _print(text: str) -> None:
    console().print(safe(text) if "\n" not in text else text, markup=False, soft_wrap=True)


def _program(state_dir_given: str | None) -> str:
    """How this command line is called from another terminal in the same directory."""
    program = "allot" if shutil.which("allot") else _short(Path(sys.argv[0]))
    return f"ALLOT_STATE_DIR={shlex.quote(state_dir_given)} {program}" if state_dir_given else program


def _short(path: Path) -> str:
    """Relative to where we are, if it is below."""
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


def _data(company: Company, stack: Stack) -> dict[str, Any]:
    report = read_rollup(Session.open(True), company.fiscal_year, None)
    return {
        "temporal_address": stack.temporal_address,
        "temporal_ui_url": stack.ui_url,
        "rollup": rollup_data(report),
    }
