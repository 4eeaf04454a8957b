"""A small reference of the whole lifecycle, written from the product rules and not from the code.

It keeps what a careful clerk would keep in a table, in whole dollars. For each command it lists all objections that the
rules have; a command must be accepted if there are none, and else be refused for one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.closing import CloseMonth, ReopenMonth
from domain.decision import Command
from domain.people_commands import (
    DeactivatePerson,
    Delegate,
    EndDelegation,
    GrantPersona,
    PersonCommand,
    ReactivatePerson,
    WithdrawGrant,
)
from domain.schedule_commands import (
    RequestReschedule,
    ReviseSchedule,
    ScheduleCommand,
    SubmitSchedule,
    WithdrawSchedule,
)
from domain.schedule_decisions import ApproveSchedule, DenyReschedule, GrantReschedule, ScheduleDecision
from domain.schedule_waiting import EndScheduleYear, EscalateSchedule, RemindSchedule

OFFICE = ZoneInfo("America/New_York")
YEAR = 2026
GRACE_DAYS = 5
YEAR_OVER = datetime(YEAR + 1, 1, 1, tzinfo=OFFICE) + timedelta(days=GRACE_DAYS)
OWNER_PERSONAS = frozenset({"product_owner", "portfolio_owner", "department_owner", "bu_owner"})
WAITS = frozenset({"PENDING", "REJECTED", "RESCHEDULE_REQUESTED", "RESCHEDULING"})

type Dollars = tuple[int, ...]
"""Of the twelve months."""
type Held = tuple[str, str]
"""A persona, and the path of its node."""


@dataclass
class Row:
    """One product."""

    path: str
    annual: int | None = None
    listed: bool = False
    """In the year's budget, and not withdrawn."""
    state: str = "DRAFT"
    steps: int = 0
    since: int = 0
    round: int = 1
    asked: Dollars | None = None
    asked_by: frozenset[str] = frozenset()
    attached: bool = False
    in_force: Dollars | None = None
    decided: dict[int, str] = field(default_factory=dict)
    reminders: tuple[int, int] = (0, 0)
    """A turn, and how many in it."""
    escalated: int = 0

    @property
    def portfolio(self) -> str:
        return self.path.rsplit("/", 1)[0]

    @property
    def over(self) -> bool:
        return self.in_force is not None and self.annual is not None and sum(self.in_force) > self.annual

    def step(self, state: str | None = None, steps: int = 1) -> None:
        """So many facts, the last of which leads to another state."""
        self.steps += steps
        if state is not None and state != self.state:
            self.state, self.since = state, self.steps

    @property
    def back(self) -> str:
        return "DRAFT" if self.in_force is None else "RESCHEDULING"


@dataclass
class Model:
    rows: dict[str, Row]
    held: dict[str, set[Held]]
    inactive: set[str] = field(default_factory=set)
    delegated: list[tuple[str, str, date, date]] = field(default_factory=list)
    """By whom, to whom, first and last day."""
    closed: set[int] = field(default_factory=set)
    """Numbers of months."""
    now: datetime = datetime(YEAR, 6, 17, 13, 30, tzinfo=OFFICE)

    # Who may

    @property
    def today(self) -> date:
        return self.now.astimezone(OFFICE).date()

    def behind(self, who: str) -> list[str]:
        """Whose grants count when somebody acts: their own first. Whoever was deactivated is passed over."""
        given = [by for by, to, first, last in self.delegated if to == who and first <= self.today <= last]
        return [who, *(by for by in given if by not in self.inactive)]

    def is_finance(self, who: str) -> bool:
        return ("financial_admin", "/") in self.held[who]

    def owns(self, who: str, product: str) -> bool:
        return any(("product_owner", product) in self.held[person] for person in self.behind(who))

    def level_above_decides(self, row: Row, told_again: bool) -> bool:
        holders = {who for who, held in self.held.items() if ("portfolio_owner", row.portfolio) in held}
        return told_again or row.escalated == row.since > 0 or not holders - row.asked_by

    def decider_objection(self, row: Row, who: str, version: int) -> set[str]:
        again = version in row.decided
        own = frozenset() if again else row.asked_by
        above = self.level_above_decides(row, again)
        department = row.portfolio.rsplit("/", 1)[0]
        blocked = False
        for person in self.behind(who):
            held = self.held[person]
            able = ("portfolio_owner", row.portfolio) in held
            able |= above and ("department_owner", department) in held
            able |= above and person == who and self.is_finance(who)
            if {person, who} & own:
                blocked = True
            elif able:
                return set()
        return {"OwnSubmission"} if blocked else {"NotGranted"}

    # Objections: all there are; None where it would change nothing

    def objections(self, command: Command) -> set[str] | None:
        who = command.actor
        if who in self.inactive:
            return {"Deactivated"}
        match command:
            case PersonCommand():
                return self._about_people(command, who)
            case CloseMonth() | ReopenMonth():
                return self._about_months(command, who)
            case RemindSchedule() | EscalateSchedule() | EndScheduleYear():
                return set() if self._time_matters(command) else None
            case ScheduleDecision():
                return self._about_decision(command, who)
            case ScheduleCommand():
                return self._about_schedule(command, who)
        raise AssertionError(command.kind)

    def _about_people(self, command: PersonCommand, who: str) -> set[str] | None:
        person = command.person
        if isinstance(command, EndDelegation):
            return set() if any((by, to) == (who, person) for by, to, _, _ in self.delegated) else None
        if isinstance(command, Delegate):
            found = set() if any(persona in OWNER_PERSONAS for persona, _ in self.held[who]) else {"NotGranted"}
            found |= {"SamePerson"} if person == who else set()
            found |= {"Inactive"} if person in self.inactive else set()
            wrong = command.last_day < max(command.first_day, self.today)
            return found | ({"WrongDays"} if wrong else set())
        found = set() if self.is_finance(who) else {"NotGranted"}
        nothing = False
        match command:
            case GrantPersona():
                grant = (str(command.persona), str(command.node))
                nothing = grant in self.held[person]
                parents = {node.rsplit("/", 1)[0] for persona, node in self.held[person] if persona == grant[0]}
                found |= {"Inactive"} if person in self.inactive else set()
                found |= {"OtherParent"} if parents - {grant[1].rsplit("/", 1)[0]} else set()
            case WithdrawGrant():
                grant = (str(command.persona), str(command.node))
                nothing = grant not in self.held[person]
                found |= {"OwnGrant"} if person == who and grant[0] == "financial_admin" and not nothing else set()
            case DeactivatePerson():
                nothing = person in self.inactive
                found |= {"OwnGrant"} if person == who else set()
            case ReactivatePerson():
                nothing = person not in self.inactive
        return found if found or not nothing else None

    def _about_months(self, command: CloseMonth | ReopenMonth, who: str) -> set[str] | None:
        found = set() if self.is_finance(who) else {"NotGranted"}
        number = command.month.month
        if isinstance(command, CloseMonth):
            found |= {"MonthOpen"} if (self.today.year, self.today.month) <= (YEAR, number) else set()
            nothing = number in self.closed
        else:
            nothing = number not in self.closed
        return found if found or not nothing else None

    def _time_matters(self, command: RemindSchedule | EscalateSchedule | EndScheduleYear) -> bool:
        row = self.rows[str(command.product)]
        if isinstance(command, EndScheduleYear):
            return row.state in WAITS and self.now >= YEAR_OVER
        if row.state not in WAITS or command.turn != row.since:
            return False
        if isinstance(command, EscalateSchedule):
            return row.escalated != row.since
        turn, count = row.reminders
        return command.count > (count if turn == row.since else 0)

    def _about_decision(self, command: ScheduleDecision, who: str) -> set[str] | None:
        row = self.rows[str(command.product)]
        found = self.decider_objection(row, who, command.version)
        if command.version in row.decided:
            return found or None
        found |= {"YearEnded"} if self.now >= YEAR_OVER else set()
        found |= {"OtherRound"} if command.round not in (None, row.round) else set()
        found |= {"NothingSubmitted"} if row.steps == 0 else set()
        found |= {"StaleVersion"} if command.version != row.steps else set()
        on_request = isinstance(command, GrantReschedule | DenyReschedule)
        found |= {"NotDecidable"} if row.state != ("RESCHEDULE_REQUESTED" if on_request else "PENDING") else set()
        approves = isinstance(command, ApproveSchedule) or (isinstance(command, GrantReschedule) and row.attached)
        if approves and row.asked is not None and self._moves_closed(row, row.asked):
            found.add("ClosedMonth")
        return found

    def _about_schedule(self, command: ScheduleCommand, who: str) -> set[str]:
        row = self.rows[str(command.product)]
        found = set() if self.owns(who, row.path) else {"NotGranted"}
        found |= {"YearEnded"} if self.now >= YEAR_OVER else set()
        begins = isinstance(command, RequestReschedule) and row.state == "APPROVED"
        found |= {"OtherRound"} if command.round not in (None, row.round + begins) else set()
        amounts: Dollars = ()
        match command:
            case SubmitSchedule():
                found |= {"NotSubmittable"} if row.state not in ("DRAFT", "REJECTED", "RESCHEDULING") else set()
                amounts = dollars(command)
            case WithdrawSchedule():
                taken = ("PENDING", "RESCHEDULE_REQUESTED", "RESCHEDULING")
                found |= {"NothingToWithdraw"} if row.state not in taken else set()
            case ReviseSchedule():
                found |= {"NotRejected"} if row.state != "REJECTED" else set()
            case RequestReschedule():
                found |= {"NotApproved"} if row.state != "APPROVED" else set()
                amounts = dollars(command)
        if amounts:
            found |= {"OverAnnual"} if sum(amounts) > (row.annual or 0) else set()
            found |= {"ClosedMonth"} if self._moves_closed(row, amounts) else set()
        return found

    def _moves_closed(self, row: Row, amounts: Dollars) -> bool:
        return row.in_force is not None and any(amounts[n - 1] != row.in_force[n - 1] for n in self.closed)


def dollars(command: SubmitSchedule | RequestReschedule) -> Dollars:
    return tuple(int(amount) for _, amount in sorted(command.amounts.items()))
