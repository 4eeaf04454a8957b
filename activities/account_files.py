"""The activity of AccountImport: checks a file about accounts whole, then records it whole, in one decision.

May be repeated: the file is named by its content, and the ledger keeps a receipt of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from temporalio import activity

from activities.account_request_file import PRIVATE as PRIVATE_IN_REQUESTS
from activities.account_request_file import AccountRequest, expected_rows, is_request_file, read_requests
from activities.admission import door
from activities.alignment_starting import Starts
from activities.alignments import CODED_MAX, Coded
from activities.contracts import ActivityName
from activities.heartbeats import Beat, beating
from activities.ledger_commands import origin_of_activity, reported
from domain import registry
from domain.account import account_stream
from domain.account_allocating import AllocateAccounts, AllocationRow, plan_all, reads_for_all, require_to_allocate_all
from domain.account_facts import Allocated
from domain.account_file import ACCOUNT, read_allocations
from domain.account_lines import PRODUCT
from domain.account_process import AccountFile, AccountFileKind, AccountImportResult, AlignmentRound
from domain.account_rules import Resolve, as_product, resolver
from domain.budget_file_problem import PROBLEMS_KEPT_MAX, Fault, Problem, Problems
from domain.budget_product import line_streams, require_product
from domain.decision import Accepted, Action, Channel, Context, Decision, Refused, Stream
from domain.errors import BadInput, Forbidden, Refusal
from domain.expectation import Registered
from domain.expected_account import ExpectAccounts
from domain.expected_file import PRIVATE, ExpectedRow, read_expected
from domain.hierarchy import NodePath
from domain.people import require
from file_store import FileStore
from ledger.ledger import Ledger

PROBLEMS_TOLD_MAX = 3
"""Problems in the message of an invalid file; the report has more."""

type Known = Callable[[Sequence[str]], dict[str, str]]
"""Accounts that seem to be there already, by the keys under which they would be expected."""
type ImportCommand = AllocateAccounts | ExpectAccounts


class _Asked(NamedTuple):
    """Who wants the import, and through which door."""

    file: AccountFile
    channel: Channel
    context: Context | None
    """None for somebody who is let in nowhere."""
    refusal: Refusal | None
    is_decided: bool
    """Whether it has an answer already: then what holds by now does not matter."""

    @property
    def compares(self) -> Context | None:
        """The context in which the file is compared with what holds; None where that is of no use."""
        return None if self.refusal or self.is_decided else self.context


class _Checked(NamedTuple):
    """A file, read and compared with what holds."""

    rows: int
    command: ImportCommand | None
    """None where there is nothing in the file to decide on."""
    problems: Problems
    refusal: Refusal | None = None
    """Where what the file would change needs more rights than the actor has."""
    aside: str = ""
    """What was left aside, as a sentence."""


class AccountFiles:
    """Files of allocations and of expected accounts, on their way from the file store into the ledger.

    What the views say of codes and accounts only helps: the ledger confirms it.
    """

    def __init__(
        self, ledger: Ledger, store: FileStore, coded: Coded, known: Known, starter: Starts | None = None
    ) -> None:
        self._ledger, self._store = ledger, store
        self._coded, self._known, self._starter = coded, known, starter

    @activity.defn(name=ActivityName.IMPORT_ACCOUNTS)
    def import_accounts(self, file: AccountFile) -> AccountImportResult:
        """A bad file or a refusal is a result; an error means that it is worth trying again."""
        with reported(), beating() as beat:
            try:
                return self._import(file, beat)
            except (BadInput, Refusal) as error:
                return _refused(type(error).__name__, error.code, error.message)

    def _import(self, file: AccountFile, beat: Beat) -> AccountImportResult:
        beat.report("fetching")
        data = self._store.get(file.content_hash)
        beat.report("checking")
        asked = self._asked(file)
        checked = self._checked(data, asked)
        is_bad = checked.command is None or checked.problems.count > 0
        if (refusal := asked.refusal or checked.refusal) and (is_bad or file.dry_run):
            return self._refuse(asked, refusal)
        if checked.command is None or is_bad:  # told to those only who may import
            return self._invalid(file, checked.problems)
        if file.dry_run:
            return self._looked_ahead(checked.command, checked, asked)
        beat.report("recording", 0, checked.rows)
        # A cancellation waits for the transaction, so that its outcome is known.
        with activity.shield_thread_cancel_exception():
            result = _recorded(self._ledger.record(checked.command, origin_of_activity()), checked)
        if result.status == "imported" and isinstance(checked.command, AllocateAccounts) and self._starter:
            beat.report("telling the processes of the accounts")
            self._starter.tell_over(self._ended(checked.command))
        return result

    def _ended(self, command: AllocateAccounts) -> list[AlignmentRound]:
        """The last occasions of the accounts of a file: their processes may be waiting for what it says."""
        streams = {row.account_id: account_stream(row.account_id) for row in command.rows}
        accounts = self._ledger.states(streams.values())
        return [
            AlignmentRound(account_id=account_id, occasion=accounts[stream].occasion)
            for account_id, stream in streams.items()
            if accounts[stream].occasion
        ]

    def _asked(self, file: AccountFile) -> _Asked:
        """Asks for the right that every such file needs."""
        channel = door(file.channel)
        contexts: list[Context] = []

        def ask(context: Context) -> None:
            contexts.append(context)
            require(context, Action.ALLOCATE_ACCOUNT, NodePath.ROOT)

        refusal = self._ledger.may(file.actor, channel, ask)
        is_decided = not file.dry_run and self._ledger.is_known(file.command_id)
        return _Asked(file, channel, contexts[-1] if contexts else None, refusal, is_decided)

    def _checked(self, data: bytes, asked: _Asked) -> _Checked:
        if asked.file.kind is AccountFileKind.ALLOCATIONS:
            return self._allocations(data, asked)
        if is_request_file(asked.file.file_name):
            return self._requests(data, asked)
        rows, problems = read_expected(data)
        if context := asked.compares:
            self._find_unknown_products(rows, context, problems)
        return self._expected(rows, asked, problems)

    # Allocations

    def _allocations(self, data: bytes, asked: _Asked) -> _Checked:
        file = asked.file
        rows, problems = read_allocations(data)
        refusal = self._plan(rows, asked.compares, problems) if asked.compares and rows else None
        command = AllocateAccounts(
            command_id=file.command_id,
            actor=file.actor,
            channel=asked.channel,
            content_hash=file.content_hash,
            rows=rows,
        )
        return _Checked(len(rows), command if rows else None, problems, refusal)

    def _plan(self, rows: Sequence[AllocationRow], context: Context, problems: Problems) -> Forbidden | None:
        """Finds what the decision would refuse, while all of it can be told at once."""
        plan = plan_all(self._ledger.states(reads_for_all(rows, context)), rows, context)
        for row, refusal in plan.faults:
            problems.add(row.row, ACCOUNT, row.account_id, _fault(refusal))
        try:
            require_to_allocate_all(context, first_ones=plan.first_ones, remaps=plan.remaps)
        except Forbidden as forbidden:
            return forbidden
        return None

    # Expected accounts

    def _requests(self, data: bytes, asked: _Asked) -> _Checked:
        requests, problems, skipped = read_requests(data, asked.file.product_tag, asked.file.type_tag)
        resolve = self._resolver(requests, asked.context) if asked.context else as_product
        rows = expected_rows(requests, resolve, problems)
        return self._expected(rows, asked, problems, _aside(skipped))

    def _resolver(self, requests: Iterable[AccountRequest], context: Context) -> Resolve:
        """Knows the products that the requests name by path or code."""
        texts = dict.fromkeys(request.product for request in requests)
        named = [path for text in texts if (path := as_product(text))]
        coded = [path for text in texts if as_product(text) is None for path in self._coded(text)[:CODED_MAX]]
        return resolver(self._ledger.states(_lines([*named, *coded], context)), context, coded)

    def _find_unknown_products(self, rows: Sequence[ExpectedRow], context: Context, problems: Problems) -> None:
        states = self._ledger.states(_lines((s.product for row in rows for s in row.account.shares), context))
        for row in rows:
            for share in row.account.shares:
                try:
                    require_product(states, share.product, None, context)
                except Refusal as refusal:
                    problems.add(row.row, PRODUCT, str(share.product), _fault(refusal))

    def _expected(self, rows: Sequence[ExpectedRow], asked: _Asked, problems: Problems, aside: str = "") -> _Checked:
        if not rows:
            return _Checked(0, None, problems)
        file, accounts = asked.file, tuple(row.account for row in rows)
        command = ExpectAccounts(
            command_id=file.command_id,
            actor=file.actor,
            channel=asked.channel,
            accounts=accounts,
            known={} if asked.refusal else self._known([account.key for account in accounts]),
        )
        return _Checked(len(rows), command, problems, aside=aside)

    # Answers

    def _looked_ahead(self, command: ImportCommand, checked: _Checked, asked: _Asked) -> AccountImportResult:
        """What would be recorded; nothing is, not even a refusal."""
        assert asked.context is not None  # whoever is let in nowhere was refused
        events = sum(
            isinstance(one.fact, Allocated | Registered) for one in self._decision(command, asked.context).events
        )
        left = checked.rows - events
        there = f", and {left:,} of the file {'is' if left == 1 else 'are'} there already" if left else ""
        told = f"{_things(command, events)} would be{there}." if events else "All of the file is there already."
        message = f"Nothing was recorded. {told}"
        return AccountImportResult(
            status="checked", message=f"{message}{checked.aside}", rows=checked.rows, recorded=events
        )

    def _decision(self, command: ImportCommand, context: Context) -> Decision:
        """As it would be taken now. Raises Refusal."""
        rule = registry.RULES[type(command)]
        streams = dict.fromkeys(rule.reads(command, context))
        states = self._ledger.states(streams)
        if more := dict.fromkeys(rule.reads_more(states, command, context)):
            states = self._ledger.states({**streams, **more})
        return rule.decide(states, command, context)

    def _refuse(self, asked: _Asked, refusal: Refusal) -> AccountImportResult:
        """A refusal is recorded, too, of a file that is no command yet; of a look ahead nothing is."""
        file = asked.file
        if file.dry_run:
            return _refused(type(refusal).__name__, refusal.code, refusal.message)
        kind = AllocateAccounts if file.kind is AccountFileKind.ALLOCATIONS else ExpectAccounts
        told = self._ledger.record_refusal(
            file.command_id,
            Stream("account_file", file.content_hash),
            kind.model_fields["kind"].default,
            refusal,
            file.actor,
            asked.channel,
            origin_of_activity(),
        )
        return _refused(told.error, told.code, told.message, told.position)

    def _invalid(self, file: AccountFile, problems: Problems) -> AccountImportResult:
        listed = sorted(problems.kept, key=lambda problem: problem.row)
        return AccountImportResult(
            status="invalid",
            message=_message(file, listed, problems.count),
            problems=problems.count,
            report=self._store.put_json(listed),
            error=BadInput.__name__,
            code="InvalidAccountFile",
        )


def _lines(products: Iterable[NodePath], context: Context) -> Iterable[Stream]:
    return dict.fromkeys(stream for product in products for stream in line_streams(product, None, context))


def _fault(refusal: Refusal) -> Fault:
    """What is wrong and what to do stand in one message."""
    return Fault("cannot be taken", refusal.message.removesuffix("."))


def _things(command: ImportCommand, count: int) -> str:
    thing = "allocation" if isinstance(command, AllocateAccounts) else "expected account"
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _aside(skipped: int) -> str:
    if not skipped:
        return ""
    modules = "1 module is no account request and was" if skipped == 1 else f"{skipped:,} modules are none and were"
    return f" {modules} left aside."


def _message(file: AccountFile, problems: Sequence[Problem], count: int) -> str:
    """Goes into the process's history, where no personal data belongs; the report has the addresses."""
    private = frozenset[str]() if file.kind is AccountFileKind.ALLOCATIONS else PRIVATE | PRIVATE_IN_REQUESTS
    shown = [_without(problem, private) for problem in problems[:PROBLEMS_TOLD_MAX]]
    told = " ".join(str(problem) for problem in shown)
    message = f"The file has {'1 problem' if count == 1 else f'{count:,} problems'}; nothing was recorded. {told}"
    if count <= PROBLEMS_TOLD_MAX:
        return message
    listed = "all of them" if count <= PROBLEMS_KEPT_MAX else f"the first {PROBLEMS_KEPT_MAX:,}"
    return f"{message} And {count - PROBLEMS_TOLD_MAX:,} more; the report lists {listed}."


def _without(problem: Problem, private: frozenset[str]) -> Problem:
    return problem.model_copy(update={"value": "…"}) if problem.column in private else problem


def _recorded(outcome: Accepted | Refused, checked: _Checked) -> AccountImportResult:
    if isinstance(outcome, Refused):
        return _refused(outcome.error, outcome.code, outcome.message, outcome.position)
    return AccountImportResult(
        status="imported" if outcome.events else "unchanged",
        message=f"{outcome.message}{checked.aside}",
        rows=checked.rows,
        recorded=outcome.events,
        position=outcome.position,
    )


def _refused(error: str, code: str, message: str, position: int = 0) -> AccountImportResult:
    return AccountImportResult(status="refused", message=message, position=position, error=error, code=code)
