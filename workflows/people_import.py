"""PeopleImport: one file of people, from the file store into the directory and the ledger, whole or not at all."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ActivityName
    from domain.process import PeopleFile, PeopleImportResult, WorkflowName
    from domain.process_texts import plain_text
    from workflows.recording import UNREADABLE, given, handle_file

IMPORTED_WITHIN = timedelta(hours=1)
"""All attempts together; whoever imports the file can do so again."""


@workflow.defn(name=WorkflowName.PEOPLE_IMPORT, failure_exception_types=UNREADABLE)
class PeopleImport:
    """Checks a file of people, adds them and grants them what they lack."""

    @workflow.run
    async def run(self, started_with: PeopleFile | None = None) -> PeopleImportResult:
        file = given(started_with)
        workflow.set_current_details(
            f"Importing **{plain_text(file.file_name)}**: checked whole before it is recorded."
        )
        result = await self._import(file)
        workflow.set_current_details(_details(file, result))
        return result

    async def _import(self, file: PeopleFile) -> PeopleImportResult:
        summary = "Check and record the file"
        return await handle_file(ActivityName.IMPORT_PEOPLE, file, PeopleImportResult, summary, IMPORTED_WITHIN)


def _details(file: PeopleFile, result: PeopleImportResult) -> str:
    text = f"**{result.status}**: {plain_text(file.file_name)}\n\n{plain_text(result.message)}"
    if result.problems:
        text += f"\n\n{result.problems:,} problems; the first of them are in the report `{result.report}`."
    return text
