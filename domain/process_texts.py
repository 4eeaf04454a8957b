"""What a person reads who opens a process in the Temporal UI: what is this, whose turn is it, since when, what to do.

Summaries are one line; details are Markdown. Names come from files and messages, so everything that is not ours is
escaped. People are never named here, because these texts are shown to everyone who may open the UI.
"""

from __future__ import annotations

from domain.account_process import AccountFile, AccountFileKind, SyncRequest
from domain.cost import ReportVersion
from domain.decision import Command
from domain.process import BudgetFile, CostSource, PeopleFile, ScheduleRound

SUMMARY_BYTES_MAX = 200
"""Bytes the Temporal server keeps of a summary."""
REFUSALS_SHOWN_MAX = 5
REFUSAL_CHARS_MAX = 300
"""Characters shown of one refusal."""

_MARKDOWN = frozenset("\\`*_{}[]<>()#+-!|~&$:")
_MARKS = str.maketrans({mark: f"\\{mark}" for mark in _MARKDOWN})


def plain_text(text: str, chars_max: int = REFUSAL_CHARS_MAX) -> str:
    """Text of others as Markdown that shows it and does nothing else."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    short = line if len(line) <= chars_max else line[: chars_max - 1] + "…"
    return short.translate(_MARKS)


def one_line(text: str) -> str:
    """A summary: cut to what the server keeps."""
    encoded = " ".join(text.split()).encode()
    if len(encoded) <= SUMMARY_BYTES_MAX:
        return encoded.decode()
    return encoded[: SUMMARY_BYTES_MAX - 3].decode(errors="ignore") + "…"


def schedule_summary(request: ScheduleRound) -> str:
    return one_line(f"Schedule of {request.product} for {request.fiscal_year}, round {request.round}")


def schedule_static_details(request: ScheduleRound) -> str:
    return (
        f"Approval of the schedule of **{plain_text(str(request.product))}** for fiscal year {request.fiscal_year}, "
        f"round {request.round}: the annual budget spread over twelve months.\n\n"
        "The product owner submits it, the portfolio owner approves or rejects it. An approved schedule is changed by "
        "a reschedule, which the portfolio owner grants: that is the next round. *Current details* say whose turn it "
        "is, until when, and what can be sent. What was decided stands in the ledger: `allot audit`."
    )


def budget_load_summary(file: BudgetFile) -> str:
    return one_line(f"Load the budget file {file.file_name}")


def budget_drop_summary() -> str:
    return "Look for dropped budget files"


def cost_watch_summary(source: CostSource) -> str:
    return one_line(f"Look for new cost reports in {source.source}")


def cost_import_summary(report: ReportVersion) -> str:
    return one_line(f"Import {report.billing_period} of cost report {report.source}, version {report.version}")


def organization_sync_summary() -> str:
    return "Read the accounts from AWS Organizations"


def people_import_summary(file: PeopleFile) -> str:
    return one_line(f"Import the people of the file {file.file_name}")


def account_import_summary(file: AccountFile) -> str:
    what = "expected accounts" if file.kind is AccountFileKind.EXPECTED else "allocations"
    return one_line(f"{'Check' if file.dry_run else 'Import'} the {what} of the file {file.file_name}")


def work_summary(request: BudgetFile | CostSource | SyncRequest | PeopleFile | AccountFile) -> str:
    """Of the process that such a message starts."""
    match request:
        case BudgetFile():
            return budget_load_summary(request)
        case CostSource():
            return cost_watch_summary(request)
        case SyncRequest():
            return organization_sync_summary()
        case PeopleFile():
            return people_import_summary(request)
        case AccountFile():
            return account_import_summary(request)


def direct_decision_summary(command: Command) -> str:
    return one_line(f"Record the command {command.kind} for {command.subject}")


def person_registration_summary() -> str:
    return "Add a person to the directory"
