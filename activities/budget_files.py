"""The activity of BudgetLoad: checks a budget file whole, then records it whole, in one decision.

May be repeated: the file is named by its content, and the ledger keeps a receipt of the command.
"""

from __future__ import annotations

from datetime import date

from temporalio import activity

from activities.admission import door
from activities.contracts import ActivityName
from activities.heartbeats import Beat, beating
from activities.ledger_commands import origin_of_activity, reported
from domain.budget import Book, book_stream
from domain.budget_file import ParsedBudget, parse_budget
from domain.budget_file_header import OWNER
from domain.budget_file_name import check_terms, parse_name
from domain.budget_file_problem import PROBLEMS_KEPT_MAX, InvalidBudget, Problem
from domain.budget_load import LoadBudget, require_loader
from domain.decision import Accepted, Organization, Refused
from domain.errors import BadInput, Refusal
from domain.money import Money
from domain.process import BudgetFile, BudgetLoadResult, LoadTerms
from file_store import FileStore
from ledger.ledger import Ledger

PROBLEMS_TOLD_MAX = 3
"""Problems in the message of an invalid file; the report has more."""


class BudgetFiles:
    """Budget files on their way from the file store into the ledger."""

    def __init__(self, ledger: Ledger, store: FileStore, organization: Organization) -> None:
        self._ledger = ledger
        self._store = store
        self._organization = organization

    @activity.defn(name=ActivityName.LOAD_BUDGET)
    def load(self, file: BudgetFile) -> BudgetLoadResult:
        """A bad file or a refusal is a result; an error means that it is worth trying again."""
        with reported(), beating() as beat:
            try:
                return self._load(file, beat)
            except (BadInput, Refusal) as error:
                fiscal_year = file.terms.fiscal_year if file.terms else 0
                return _refused(fiscal_year, type(error).__name__, error.code, error.message)

    def _load(self, file: BudgetFile, beat: Beat) -> BudgetLoadResult:
        terms = file.terms or parse_name(file.file_name)
        effective_on = check_terms(terms, self._organization.calendar)
        beat.report("fetching")
        data = self._store.get(file.content_hash)
        parsed = parse_budget(data, terms, self._organization, lambda done, whole: beat.report("checking", done, whole))
        if isinstance(parsed, InvalidBudget):
            return self._invalid(terms.fiscal_year, parsed)
        beat.report("recording", 0, len(parsed.rows))
        # A cancellation waits for the transaction, so that its outcome is known.
        with activity.shield_thread_cancel_exception():
            return self._record(file, terms, effective_on, parsed)

    def _record(self, file: BudgetFile, terms: LoadTerms, effective_on: date, parsed: ParsedBudget) -> BudgetLoadResult:
        command = LoadBudget(
            command_id=file.command_id,
            actor=file.actor,
            channel=door(file.channel),
            fiscal_year=terms.fiscal_year,
            content_hash=file.content_hash,
            customer=terms.customer,
            option=terms.option,
            file_version=terms.file_version,
            is_new=terms.is_new,
            is_override=terms.is_override,
            effective_on=effective_on,
            labels=parsed.labels,
            rows=parsed.rows,
        )
        self._ensure_owners(command)
        outcome = self._ledger.record(command, origin_of_activity())
        if isinstance(outcome, Refused):
            return _refused(terms.fiscal_year, outcome.error, outcome.code, outcome.message, outcome.position)
        return self._accepted(terms, effective_on, parsed, outcome)

    def _ensure_owners(self, command: LoadBudget) -> None:
        """Adds owners that are not in the directory; a name that is known there is left alone."""
        book: Book = self._ledger.states([book_stream(command.fiscal_year)])[book_stream(command.fiscal_year)]
        if book.loaded or not command.is_new:
            return  # only a year's first load adds anything: what is refused does not even change the directory
        if self._ledger.may(command.actor, command.channel, require_loader):
            return
        owners = command.people()
        known = self._ledger.people.find_all(owners)
        for email in owners:
            if email not in known:
                self._ledger.people.ensure(email, email.partition("@")[0])

    def _accepted(
        self, terms: LoadTerms, effective_on: date, parsed: ParsedBudget, outcome: Accepted
    ) -> BudgetLoadResult:
        message = outcome.message
        if outcome.events:
            total = Money(parsed.total, self._organization.currency)
            message = f"Loaded {len(parsed.rows):,} products for {terms.fiscal_year}, {total} in all."
            if terms.effective_on != effective_on.isoformat():
                message += f" A year's first load takes effect on its first day, {effective_on}"
                message += f", and not on {terms.effective_on}."
        return BudgetLoadResult(
            status="loaded" if outcome.events else "unchanged",
            message=message,
            fiscal_year=terms.fiscal_year,
            products=len(parsed.rows),
            position=outcome.position,
        )

    def _invalid(self, fiscal_year: int, invalid: InvalidBudget) -> BudgetLoadResult:
        return BudgetLoadResult(
            status="invalid",
            message=_message(invalid),
            fiscal_year=fiscal_year,
            problems=invalid.count,
            report=self._store.put_json(invalid.problems),
            error=BadInput.__name__,
            code="InvalidBudgetFile",
        )


def _message(invalid: InvalidBudget) -> str:
    problems = "1 problem" if invalid.count == 1 else f"{invalid.count:,} problems"
    told = " ".join(str(_without_address(problem)) for problem in invalid.problems[:PROBLEMS_TOLD_MAX])
    rest = invalid.count - min(invalid.count, PROBLEMS_TOLD_MAX)
    message = f"The file has {problems}; nothing was loaded. {told}"
    if not rest:
        return message
    listed = "all of them" if invalid.count <= PROBLEMS_KEPT_MAX else f"the first {PROBLEMS_KEPT_MAX:,}"
    return f"{message} And {rest:,} more; the report lists {listed}."


def _without_address(problem: Problem) -> Problem:
    """The message goes into the process's history, where no personal data belongs; the report has the address."""
    return problem.model_copy(update={"value": "…"}) if problem.column == OWNER else problem


def _refused(fiscal_year: int, error: str, code: str, message: str, position: int = 0) -> BudgetLoadResult:
    return BudgetLoadResult(
        status="refused", message=message, fiscal_year=fiscal_year, position=position, error=error, code=code
    )
