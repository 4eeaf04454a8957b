"""AccountImport: one file about accounts, from the file store into the ledger, whole or not at all; or a look at it.

What is expected may have appeared already: open alignments are told afterwards, so that they look. Whose accounts are
allocated by a file is told by the activity, which knows them.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        HEARTBEAT_TIMEOUT,
        RETRIES,
        WAKE_TIMEOUT,
        ActivityName,
        InformResult,
        WakeRequest,
    )
    from domain.account_process import AccountFile, AccountFileKind, AccountImportResult
    from domain.process import WorkflowName
    from domain.process_texts import plain_text
    from workflows.recording import UNREADABLE, answer_of, failure_of, given, handle_file

IMPORTED_WITHIN = timedelta(hours=1)
"""All attempts together; whoever imports the file can do so again."""
TOLD_WITHIN = timedelta(hours=1)
"""All attempts at telling the open alignments together."""


@workflow.defn(name=WorkflowName.ACCOUNT_IMPORT, failure_exception_types=UNREADABLE)
class AccountImport:
    """Checks a file of allocations or expected accounts and records it."""

    @workflow.run
    async def run(self, started_with: AccountFile | None = None) -> AccountImportResult:
        file = given(started_with)
        doing = "Checking" if file.dry_run else "Importing"
        workflow.set_current_details(f"{doing} **{plain_text(file.file_name)}**: checked whole before it is recorded.")
        result = await self._import(file)
        if result.status == "imported" and file.kind is AccountFileKind.EXPECTED:
            result = await self._told(result)
        workflow.set_current_details(_details(file, result))
        return result

    async def _import(self, file: AccountFile) -> AccountImportResult:
        summary = "Check the file" if file.dry_run else "Check and record the file"
        return await handle_file(ActivityName.IMPORT_ACCOUNTS, file, AccountImportResult, summary, IMPORTED_WITHIN)

    async def _told(self, result: AccountImportResult) -> AccountImportResult:
        """The file is recorded whatever becomes of this: an alignment that is not told looks at its next message."""
        try:
            told: InformResult = await answer_of(
                ActivityName.WAKE_ALIGNMENTS,
                WakeRequest(all_open=True, position=result.position),
                InformResult,
                start_to_close_timeout=WAKE_TIMEOUT,
                schedule_to_close_timeout=TOLD_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Tell the open alignments",
            )
        except ActivityError as error:
            reason = f"Not all open alignments could be told ({failure_of(error).message})."
            return result.model_copy(update={"message": f"{result.message} {reason}"})
        return result.model_copy(update={"message": f"{result.message} Open alignments told: {told.informed:,}."})


def _details(file: AccountFile, result: AccountImportResult) -> str:
    text = f"**{result.status}**: {plain_text(file.file_name)}\n\n{plain_text(result.message)}"
    if result.problems:
        text += f"\n\n{result.problems:,} problems; the first of them are in the report `{result.report}`."
    return text
