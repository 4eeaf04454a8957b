"""The activity of BudgetLoad: checks a budget file whole, then records it whole, in one decision, or only looks ahead.

May be repeated: the file is named by its content, and the ledger keeps a receipt of the command.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid5

from temporalio import activity

from activities.admission import door
from activities.budget_impact import Effect, recorded, to_be_expected
from activities.budget_workbook import is_workbook, parse_workbook
from activities.contracts import ActivityName
from activities.heartbeats import Beat, beating
from activities.ledger_commands import origin_of_activity, reported
from domain.budget import Book, book_stream
from domain.budget_file import ParsedBudget, parse_budget
from domain.budget_file_header import OWNER
from domain.budget_file_name import check_terms, parse_name
from domain.budget_file_problem import PROBLEMS_KEPT_MAX, InvalidBudget, Problem
from domain.budget_load import (
    LoadBudget,
    Mode,
    expected_impact,
    is_loaded,
    mode_of,
    require_loader,
    require_uploader,
    streams_of,
)
from domain.decision import NAMESPACE, Accepted, Organization, PersonId, Refused
from domain.errors import BadInput, Contention, Refusal, Unavailable
from domain.hierarchy import NodePath
from domain.money import Money
from domain.process import BudgetFile, BudgetLoadResult, LoadTerms
from file_store import FileStore
from ledger.ledger import Ledger
from views.queries import Views

PROBLEMS_TOLD_MAX = 3
"""Problems in the message of an invalid file; the report has more."""
KNOWN_WITHIN_S = 15.0
"""How long an override waits for the views to know every product of the year, before the activity is tried again."""
KNOWN_EVERY_S = 0.25


class BudgetFiles:
    """Budget files on their way from the file store into the ledger."""

    def __init__(self, ledger: Ledger, store: FileStore, organization: Organization, database_url: str = "") -> None:
        """The database of the views is only needed for overrides of years that are loaded."""
        self._ledger = ledger
        self._store = store
        self._organization = organization
        self._database_url = database_url

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
        parse = parse_workbook if is_workbook(data) else parse_budget
        parsed = parse(data, terms, self._organization, lambda done, whole: beat.report("checking", done, whole))
        if isinstance(parsed, InvalidBudget):
            return self._invalid(terms.fiscal_year, parsed)
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
            absent=parsed.absent,
        )
        if file.dry_run:
            beat.report("comparing", 0, len(parsed.rows))
            return self._compared(command, terms)
        beat.report("recording", 0, len(parsed.rows))
        return self._recorded(command, terms, parsed)

    # For good

    def _recorded(self, command: LoadBudget, terms: LoadTerms, parsed: ParsedBudget) -> BudgetLoadResult:
        self._ensure_owners(command)
        command, outcome = self._knowing(command, self._record)
        if isinstance(outcome, Refused):
            return _refused(terms.fiscal_year, outcome.error, outcome.code, outcome.message, outcome.position)
        result = BudgetLoadResult(
            status="loaded" if outcome.events else "unchanged",
            message=outcome.message,
            fiscal_year=terms.fiscal_year,
            labels=command.labels,
            products=len(parsed.rows),
            position=outcome.position,
        )
        if not outcome.events:
            return result
        effect = recorded(self._ledger, command)
        message = self._message(outcome.message, effect, terms, parsed)
        return effect.result(result.model_copy(update={"message": message}), self._store)

    def _record(self, command: LoadBudget) -> Accepted | Refused:
        # A cancellation waits for the transaction, so that its outcome is known.
        with activity.shield_thread_cancel_exception():
            return self._ledger.record(command, origin_of_activity())

    def _ensure_owners(self, command: LoadBudget) -> None:
        """Adds owners that are not in the directory; a name that is known there is left alone.

        What will be refused, or is loaded already, does not even change the directory.
        """
        if self._ledger.may(command.actor, command.channel, require_loader):
            return
        states = self._ledger.states([command.subject])
        try:
            if is_loaded(states, command):
                return
            mode_of(states[command.subject], command)
        except Refusal:
            return
        owners = command.people()
        known = self._ledger.people.find_all(owners)
        for email in owners:
            if email not in known:
                self._ledger.people.ensure(email, email.partition("@")[0])

    def _message(self, told: str, effect: Effect, terms: LoadTerms, parsed: ParsedBudget) -> str:
        if effect.mode != Mode.NEW:
            return f"{told} {effect.told(self._organization.currency)}"
        total = Money(parsed.total, self._organization.currency)
        message = f"Loaded {len(parsed.rows):,} products for {terms.fiscal_year}, {total} in all."
        return message + _first_day(effect, terms)

    # For a look

    def _compared(self, command: LoadBudget, terms: LoadTerms) -> BudgetLoadResult:
        """What the load would do; nothing is recorded, not even a refusal."""
        if refusal := self._ledger.may(command.actor, command.channel, require_uploader):
            raise refusal
        result = BudgetLoadResult(
            status="unchanged",
            message=f"These bytes were loaded for {terms.fiscal_year} already; loading them again changes nothing.",
            fiscal_year=terms.fiscal_year,
            labels=command.labels,
            products=len(command.rows),
        )
        _, effect = self._knowing(command, self._expected)
        if effect is None:
            return result
        message = (
            f"Nothing is recorded. As {_MODE_IN_WORDS[effect.mode]} from {effect.effective_on}, the file would mean "
            f"for {terms.fiscal_year}: {effect.count('added'):,} added, {effect.count('changed'):,} changed, "
            f"{effect.count('withdrawn'):,} withdrawn, {effect.unchanged:,} unchanged. "
            f"{effect.told(self._organization.currency)}{_first_day(effect, terms)}"
        )
        return effect.result(result.model_copy(update={"status": "dry_run", "message": message}), self._store)

    def _expected(self, command: LoadBudget) -> Effect | None:
        """None where the same bytes were loaded before."""
        states = self._ledger.states([command.subject])
        if is_loaded(states, command):
            return None
        mode = mode_of(states[command.subject], command)
        if mode is not Mode.NEW:  # with the book once more, so that all of it belongs together
            states = self._ledger.states([command.subject, *streams_of(command)])
        known = self._ledger.people.find_all(command.people())

        def person(email: str) -> PersonId:
            """Whoever is new gets an id when the file is loaded; until then, one that nobody else has."""
            return known.get(email) or PersonId(uuid5(NAMESPACE, f"owner to be/{email.lower()}"))

        return to_be_expected(expected_impact(states, command, self._organization, person))

    # What both need

    def _knowing[T](self, command: LoadBudget, work: Callable[[LoadBudget], T]) -> tuple[LoadBudget, T]:
        """An override needs to know every product of the year, which the views say; they may be a moment behind."""
        deadline = time.monotonic() + KNOWN_WITHIN_S
        while True:
            if command.is_override:
                command = command.model_copy(update={"known": self._known(command.fiscal_year)})
            try:
                return command, work(command)
            except Contention:
                if not command.is_override or time.monotonic() > deadline:
                    raise
            time.sleep(KNOWN_EVERY_S)

    def _known(self, fiscal_year: int) -> tuple[NodePath, ...]:
        book: Book = self._ledger.states([book_stream(fiscal_year)])[book_stream(fiscal_year)]
        if not book.loaded:
            return ()
        if not self._database_url:
            raise Unavailable("An override needs the views, and this worker was started without them.")
        with Views(self._database_url) as views:
            return views.known_products(fiscal_year)

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


_MODE_IN_WORDS: dict[str, str] = {
    Mode.NEW: "the year's first load",
    Mode.CHANGE: "a change",
    Mode.OVERRIDE: "an override",
}


def _first_day(effect: Effect, terms: LoadTerms) -> str:
    """That the start date was not taken as it stands."""
    if terms.effective_on == effect.effective_on.isoformat():
        return ""
    return (
        f" What is loaded with isNew=true takes effect on the year's first day, {effect.effective_on}, "
        f"and not on {terms.effective_on}."
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
