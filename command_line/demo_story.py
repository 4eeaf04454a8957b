"""The story of `allot demo`, told by the very commands that a person would give.

Each step runs a command of this command line, shown as one would type it, with its real answer. Nothing is computed
here: what is shown comes out of the ledger and the views.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from command_line.demo_company import Company
from command_line.output import console, safe
from command_line.session import Session
from command_line.stack import start_worker
from domain.errors import Unavailable
from embedded.stack import Stack

if TYPE_CHECKING:
    from command_line.demo_aws import SeededAws


VENDED_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1


class Story:
    """The steps, in order."""

    def __init__(self, company: Company, stack: Stack, context: typer.Context, state_dir_given: str | None) -> None:
        self.company = company
        self._stack = stack
        self._root = context.find_root()
        self._state_dir_given = state_dir_given

    def tell(self) -> None:
        from command_line.demo_aws import seed  # noqa: PLC0415 - boto3 takes half a second that no other command needs

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
            self.decide_in_place_of_somebody()
            self.reschedule()
            self.change_the_budget()
            self.align_accounts(seeding)
        self.show_result()

    def decide_on_schedules(self) -> None:
        self.step("Two product owners spread their budgets over months")
        year, approved, rejected = self._year, self.company.approved, self.company.rejected
        amounts = ("--amounts", approved.amounts, "--note", approved.note)
        self.run("schedule", "submit", approved.product, *year, *amounts, "--as", approved.owner)
        self.run("schedule", "submit", rejected.product, *year, "--even", "--as", rejected.owner)
        self.step("Their portfolio owner approves one, and rejects the other with a reason")
        self.run("schedule", "approve", approved.product, *year, "--as", approved.decided_by)
        reason = ("--reason", rejected.reason)
        self.run("schedule", "reject", rejected.product, *year, *reason, "--as", rejected.decided_by)

    def decide_in_place_of_somebody(self) -> None:
        """The rejected schedule comes again, and somebody else decides on it: with tasks, one sees why they have it."""
        delegation, rejected = self.company.delegation, self.company.rejected
        self.step("The portfolio owner goes on holiday and lets a colleague decide; the rejected schedule comes again")
        until = Session.open().today() + timedelta(days=delegation.days)
        why = ("--note", delegation.note)
        self.run("person", "delegate", "--to", delegation.to, "--until", str(until), *why, "--as", delegation.by)
        amounts = ("--amounts", rejected.better_amounts)
        self.run("schedule", "submit", rejected.product, *self._year, *amounts, "--as", rejected.owner)
        self.run("tasks", "--as", delegation.to)
        self.run("schedule", "approve", rejected.product, *self._year, "--as", delegation.to)

    def reschedule(self) -> None:
        again = self.company.rescheduled
        self.step("An approved schedule has to change: the request holds the new one, and one decision does both")
        new = ("--reason", again.reason, "--amounts", again.amounts)
        self.run("schedule", "request", again.product, *self._year, *new, "--as", again.owner)
        self.run("schedule", "grant", again.product, *self._year, "--as", again.decided_by)

    def change_the_budget(self) -> None:
        self.step("Finance moves money between two products: first what it would do, then for good")
        load = ("budget", "load", _short(self.company.change_path), "--as", self.company.admin.email)
        self.run(*load, "--dry-run")
        self.run(*load)

    @property
    def _year(self) -> tuple[str, str]:
        return ("--year", str(self.company.fiscal_year))

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
        self.vend_accounts()
        self.import_spend(aws)
        self.plan_a_workload(aws)

    def import_spend(self, aws: SeededAws) -> None:
        """Twice, because AWS delivers a month again and again until it has invoiced it."""
        from command_line.demo_aws import deliver_whole  # noqa: PLC0415 - as above

        company = self.company
        self.step("Actual spend is imported from the replicated Cost and Usage Report")
        self.run("cost", "import", aws.source, "--as", company.engineer.email)
        self.step("AWS delivers the last month again: whole, and with usage that came late")
        deliver_whole(company, aws)
        last = company.billing_periods[-1]
        self.run("cost", "import", aws.source, "--as", company.engineer.email)
        self.run("cost", "history", last)

    def plan_a_workload(self, aws: SeededAws) -> None:
        workload = self.company.workload
        named, account_id = (workload.product, workload.name), aws.account_ids[workload.account]
        owner, decided_by = ("--as", workload.owner), ("--as", workload.decided_by)
        self.step(
            "A workload: its estimate is approved, and what one of its resources costs is its own from tomorrow on"
        )
        self.run("workload", "create", *named, "--account", account_id, "--launch", workload.launch, *owner)
        monthly = [part for amount in workload.monthly for part in ("--monthly", amount)]
        self.run("workload", "submit", *named, *monthly, *owner)
        self.run("workload", "approve", *named, *decided_by)
        self.run("resource", "search", "--account", account_id, "--open")
        self.run("resource", "claim", *named, "--resource", workload.resource, *owner)
        self.run("workload", "to-schedule", workload.product, *self._year)

    def vend_accounts(self) -> None:
        """From vending to budget in seconds: once because the account was expected, once because a rule suggests it."""
        from command_line.demo_aws import vend  # noqa: PLC0415 - as above

        company, admin = self.company, ("--as", self.company.admin.email)
        self.step("Rules say where new accounts belong: first what they would take, then for good")
        self.run("account", "rules", "test", _short(company.rules_path))
        self.run("account", "rules", "set", _short(company.rules_path), *admin)
        self.step("An account is registered before it is vended, and allocated the moment it appears")
        new, suggested = company.expected, company.by_rule
        about = ("--type", new.type, "--email", new.email, "--as", company.engineer.email)
        self.run("account", "expect", *new.shares, *about)
        self.run("account", "show", self._vended(vend(company, new), aligned=True))
        self.step("Another one was not expected: a rule suggests where it belongs, and Finance accepts")
        account_id = self._vended(vend(company, suggested), aligned=False)
        self.run("account", "accept", account_id, "--proposal", "1", *admin)
        self.run("account", "board")

    def _vended(self, account_id: str, *, aligned: bool) -> str:
        """Waits until the account is aligned, or an allocation is proposed; no command has to be given for it."""
        _print(f"(AWS vends the account {account_id} and sends its event.)")
        deadline = time.monotonic() + VENDED_WITHIN_S
        with Session.open().views() as views:
            while time.monotonic() < deadline:
                found = views.accounts(account_id)
                if found and (found[0].aligned_at if aligned else found[0].proposal):
                    return account_id
                time.sleep(LOOK_EVERY_S)
        self._stack.check()
        raise Unavailable(
            f"The account {account_id} was not noticed within {VENDED_WITHIN_S:.0f} s: see the worker's log."
        )

    def show_result(self) -> None:
        self.step("Where the money stands")
        self.run("rollup", *self._year)
        self.step("What waits for the owner of the product that is over budget now")
        self.run("tasks", "--as", self.company.rejected.owner)

    def show_what_next(self) -> None:
        company, over = self.company, self.company.rejected
        fits = ("--reason", "Fits the lower budget.", "--amounts", over.fitting_amounts)
        suggestions = [
            ("schedule", "show", over.product, *self._year),
            ("schedule", "request", over.product, *self._year, *fits, "--as", over.owner),
            ("schedule", "grant", over.product, *self._year, "--as", over.decided_by),
            ("tasks", "--as", company.admin.email),
            ("cost", "show", company.billing_periods[-1]),
            ("export", "rollup", *self._year, "--format", "xlsx", "--to", "rollup.xlsx", "--as", company.admin.email),
            ("audit", over.product),
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
