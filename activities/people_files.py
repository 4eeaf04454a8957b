"""The activity of PeopleImport: checks a file of people whole, then records it whole, in one decision.

May be repeated: the file is named by its content, and the ledger keeps a receipt of the command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid5

from temporalio import activity

from activities.admission import door
from activities.contracts import ActivityName
from activities.heartbeats import Beat, beating
from activities.ledger_commands import origin_of_activity, reported
from domain.budget_file_problem import PROBLEMS_KEPT_MAX, Fault, Problem, Problems
from domain.decision import NAMESPACE, Accepted, Channel, PersonId, Refused
from domain.errors import BadInput, Refusal
from domain.people_file import EMAIL, NODE, PRIVATE, PersonLine, read_people
from domain.people_import import ImportPeople, ImportRow, plan, require_importer, streams_of
from domain.process import PeopleFile, PeopleImportResult
from file_store import FileStore
from ledger.ledger import Ledger

PROBLEMS_TOLD_MAX = 3
"""Problems in the message of an invalid file; the report has more."""


class PeopleFiles:
    """Files of people on their way from the file store into the ledger and its directory."""

    def __init__(self, ledger: Ledger, store: FileStore) -> None:
        self._ledger = ledger
        self._store = store

    @activity.defn(name=ActivityName.IMPORT_PEOPLE)
    def import_people(self, file: PeopleFile) -> PeopleImportResult:
        """A bad file or a refusal is a result; an error means that it is worth trying again."""
        with reported(), beating() as beat:
            try:
                return self._import(file, beat)
            except (BadInput, Refusal) as error:
                return _refused(type(error).__name__, error.code, error.message)

    def _import(self, file: PeopleFile, beat: Beat) -> PeopleImportResult:
        beat.report("fetching")
        data = self._store.get(file.content_hash)
        beat.report("checking")
        lines, problems = read_people(data)
        channel = door(file.channel)
        with_grants = any(line.grant for line in lines)
        refusal = self._ledger.may(file.actor, channel, lambda now: require_importer(now, with_grants=with_grants))
        if refusal is None and not self._ledger.is_known(file.command_id):
            self._check_against_what_holds(lines, problems)
        if problems.count:  # told to those only who may import
            return self._refuse(file, channel, refusal) if refusal else self._invalid(problems)
        beat.report("recording", 0, len(lines))
        # A cancellation waits for the transaction, so that its outcome is known.
        with activity.shield_thread_cancel_exception():
            return self._record(file, channel, lines, may=refusal is None)

    def _check_against_what_holds(self, lines: Sequence[PersonLine], problems: Problems) -> None:
        """Finds what the decision would refuse, while all of it can be told at once."""
        rows = self._rows(lines)
        states = self._ledger.states(streams_of(rows))
        by_row = {line.row: line for line in lines}
        for row, refusal in plan(states, rows).faults:
            line = by_row[row]
            column, value = (NODE, str(line.grant.node)) if line.grant else (EMAIL, line.email)
            if refusal.code == "Inactive":
                column, value = EMAIL, line.email
            problems.add(row, column, value, Fault("cannot be imported", refusal.message.removesuffix(".")))

    def _rows(self, lines: Sequence[PersonLine]) -> list[tuple[ImportRow, PersonId]]:
        """Somebody who is not in the directory yet stands in with an id that nobody has."""
        known = self._ledger.people.find_all({line.email for line in lines})
        return [(_row(line, person), person) for line in lines for person in [known.get(line.email) or _nobody(line)]]

    def _record(
        self, file: PeopleFile, channel: Channel, lines: Sequence[PersonLine], *, may: bool
    ) -> PeopleImportResult:
        """The addresses go into the directory first, because events need their ids: where the actor may only."""
        people = self._ledger.people
        if may:
            known = people.find_all({line.email for line in lines})
            for email in dict.fromkeys(line.email for line in lines if line.email not in known):
                people.ensure(email, "")
        rows = self._rows(lines)
        command = ImportPeople(
            command_id=file.command_id,
            actor=file.actor,
            channel=channel,
            content_hash=file.content_hash,
            rows=tuple(row for row, _ in rows),
        )
        outcome = self._ledger.record(command, origin_of_activity())
        if isinstance(outcome, Refused):
            return _refused(outcome.error, outcome.code, outcome.message, outcome.position)
        self._name(lines, {line.email: person for line, (_, person) in zip(lines, rows, strict=True)})
        return _accepted(lines, outcome)

    def _name(self, lines: Sequence[PersonLine], ids: Mapping[str, PersonId]) -> None:
        """Names are kept only once the command is allowed."""
        called = self._ledger.people.names(ids.values())
        for email, name in dict.fromkeys((line.email, line.name) for line in lines if line.name):
            if called.get(ids[email]) != name:
                self._ledger.people.ensure(email, name)

    def _refuse(self, file: PeopleFile, channel: Channel, refusal: Refusal) -> PeopleImportResult:
        """A refusal is recorded, too, of a file that is no command yet."""
        kind = ImportPeople.model_fields["kind"].default
        subject = ImportPeople(
            command_id=file.command_id, actor=file.actor, content_hash=file.content_hash, rows=()
        ).subject
        told = self._ledger.record_refusal(
            file.command_id, subject, kind, refusal, file.actor, channel, origin_of_activity()
        )
        return _refused(told.error, told.code, told.message, told.position)

    def _invalid(self, problems: Problems) -> PeopleImportResult:
        listed = sorted(problems.kept, key=lambda problem: problem.row)
        return PeopleImportResult(
            status="invalid",
            message=_message(listed, problems.count),
            problems=problems.count,
            report=self._store.put_json(listed),
            error=BadInput.__name__,
            code="InvalidPeopleFile",
        )


def _nobody(line: PersonLine) -> PersonId:
    return PersonId(uuid5(NAMESPACE, f"people-import/{line.email.lower()}"))


def _row(line: PersonLine, person: PersonId) -> ImportRow:
    if line.grant is None:
        return ImportRow(row=line.row, person=str(person))
    return ImportRow(row=line.row, person=str(person), persona=line.grant.persona, node=line.grant.node)


def _message(problems: Sequence[Problem], count: int) -> str:
    """Goes into the process's history, where no personal data belongs; the report has the addresses."""
    told = " ".join(str(_without_person(problem)) for problem in problems[:PROBLEMS_TOLD_MAX])
    message = f"The file has {'1 problem' if count == 1 else f'{count:,} problems'}; nobody was imported. {told}"
    if count <= PROBLEMS_TOLD_MAX:
        return message
    listed = "all of them" if count <= PROBLEMS_KEPT_MAX else f"the first {PROBLEMS_KEPT_MAX:,}"
    return f"{message} And {count - PROBLEMS_TOLD_MAX:,} more; the report lists {listed}."


def _without_person(problem: Problem) -> Problem:
    """A whole row, or what stands in a column for people, may name somebody."""
    private = problem.column in PRIVATE or not problem.column
    return problem.model_copy(update={"value": "…"}) if private else problem


def _accepted(lines: Sequence[PersonLine], outcome: Accepted) -> PeopleImportResult:
    return PeopleImportResult(
        status="imported" if outcome.events else "unchanged",
        message=outcome.message,
        people=len({line.email.lower() for line in lines}),
        grants=sum(line.grant is not None for line in lines),
        position=outcome.position,
    )


def _refused(error: str, code: str, message: str, position: int = 0) -> PeopleImportResult:
    return PeopleImportResult(status="refused", message=message, position=position, error=error, code=code)
